"""What a decision costs: routing alone, five platforms that were all heard of."""

import time
from decimal import Decimal

from routing.decision import decide
from routing.policy import Strategy
from routing.requirement import Requirements
from routing.scorecard import Scorecard
from tests.unit.routing.worlds import FACTS, NOW, platform, seen

_NAMES = ("openai", "anthropic", "azure_openai", "google_vertex", "copilot_studio")
_BATCH = 200
_BATCHES = 10


def decision_us() -> float:
    """CPU microseconds of one decision; the best batch, since everything else is the machine's noise."""
    profiles = [platform(name) for name in _NAMES]
    snapshot = seen(
        *(
            Scorecard(name, latency_p95_ms=900.0 + 100 * rank, mean_output_tokens=200.0)
            for rank, name in enumerate(_NAMES)
        )
    )
    limits = Requirements(max_cost_usd=Decimal("0.10"), max_latency_ms=20_000)
    best_s = float("inf")
    for _ in range(_BATCHES):
        began = time.process_time()
        for seed in range(_BATCH):
            decide(
                profiles,
                snapshot,
                limits,
                FACTS,
                strategy=Strategy.BALANCED,
                now=NOW,
                seed=seed,
                decision_id="dec_bench",
            )
        best_s = min(best_s, time.process_time() - began)
    return best_s / _BATCH * 1e6
