"""What a decision costs: routing alone, five platforms of four models, all heard of.

Adaptive reads the question besides, and has beliefs about every target.
"""

import time
from dataclasses import replace
from decimal import Decimal

from config.quality import read_quality
from routing.bandit import UNTAUGHT
from routing.catalog import Catalog
from routing.learned import Learned
from routing.policy import Strategy
from routing.requirement import Requirements
from routing.scorecard import Scorecard
from tests.unit.routing.worlds import FACTS, asked, platform, seen

_NAMES = ("openai", "anthropic", "azure_openai", "google_vertex", "copilot_studio")
_MODELS = 4
MESSAGE = (
    "Hello, I was charged twice in November: once on the 3rd and once on the 5th, 49 USD each, "
    "although I have only one subscription. The second invoice says it was paid by a card that "
    "I removed in October. Do I get my money back, and how long does it take? I also cannot "
    "download the invoices as PDF any more; the page only says that something went wrong. "
    "Please tell me what I have to do.\n\nKind regards"
)
_BATCH = 200
_BATCHES = 10


def adaptive_us() -> float:
    """CPU microseconds of one adaptive decision among twenty targets, the question read anew."""
    return decision_us(Strategy.ADAPTIVE) + reading_us()


def reading_us() -> float:
    """CPU microseconds to read one customer's message, the best batch."""
    model = read_quality()
    best_s = float("inf")
    for _ in range(_BATCHES):
        began = time.process_time()
        for _ in range(_BATCH):
            model.read(MESSAGE)
        best_s = min(best_s, time.process_time() - began)
    return best_s / _BATCH * 1e6


def decision_us(strategy: Strategy = Strategy.BALANCED, models: int = _MODELS) -> float:
    """CPU microseconds of one decision among five platforms of so many models each.

    The best batch, since everything else is the machine's noise.
    """
    catalog = Catalog(
        replace(platform(name), model=f"model-{rank}") for name in _NAMES for rank in range(models)
    )
    snapshot = seen(
        *(
            Scorecard(target, latency_p95_ms=900.0 + 100 * rank, mean_output_tokens=200.0)
            for rank, target in enumerate(catalog.by_target)
        )
    )
    facts = FACTS
    if strategy is Strategy.ADAPTIVE:
        beliefs = dict.fromkeys(catalog.by_target, UNTAUGHT)
        snapshot = replace(snapshot, learned=Learned(beliefs))
        facts = replace(FACTS, reading=read_quality().read(MESSAGE))
    limits = Requirements(max_cost_usd=Decimal("0.10"), max_latency_ms=20_000)
    best_s = float("inf")
    for _ in range(_BATCHES):
        began = time.process_time()
        for seed in range(_BATCH):
            asked(catalog.profiles, snapshot, limits, facts, strategy=strategy, seed=seed)
        best_s = min(best_s, time.process_time() - began)
    return best_s / _BATCH * 1e6
