"""What it costs to know who is calling: a remembered token, a new one, and what its holder may do.

Beside it the library alone: one signature and the claims it checks, which is less than we check.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from joserfc import jwt
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from rich.table import Table

from deployments.security.bearer_tokens import Entitlements
from deployments.security.client_address import networks_of
from deployments.security.constraints import Constraint
from deployments.security.rbac import constrained, load_roles
from tests.bench.report import Target, plain_targets, targets_table
from tests.unit.security.token_world import API, ISSUER, RSA, TokenWorld, sign

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

_BATCH = 500
_BATCHES = 10
CACHED_US, DECIDED_US = 20.0, 20.0
# As a strict company would write it: a sign-on, a network, people alone.
_CONSTRAINTS = (
    Constraint(frozenset({"platforms:configure", "roles:assign"}), True, None, 900.0),
    Constraint(frozenset({"keys:manage"}), False, networks_of(["10.0.0.0/8"])),
    Constraint(frozenset({"customers:change"}), True),
)


@dataclass(frozen=True, slots=True)
class Known:
    """CPU microseconds of one request each, the best batch: what is worse is the machine's noise."""

    cached_us: float
    decided_us: float
    constrained_us: float
    verified_us: float
    library_us: float


def measure(progress: "Progress") -> Known:
    """One token a thousand times, and a thousand tokens once."""
    bar = progress.add_task("security", total=5)
    found = asyncio.run(_measure(lambda: progress.advance(bar)))
    if found.cached_us * 2 > found.verified_us:
        raise RuntimeError("a remembered token must cost less than half of a new one")
    return found


async def _measure(step: Callable[[], None]) -> Known:
    world = TokenWorld()
    token = sign(world.claims())
    fresh = [sign(world.claims(jti=str(number))) for number in range(_BATCH * _BATCHES)]
    every = iter(fresh)
    cached = await _best_us(lambda: world.bearer.authenticate(token))
    step()
    verified = await _best_us(lambda: world.verifier.verify(next(every)))
    step()
    keys = KeySet([RSA])
    registry = JWSRegistry(algorithms=["RS256"])
    rules = jwt.JWTClaimsRegistry(
        lambda: int(world.clock.now()),
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": API},
        exp={"essential": True},
    )
    every = iter(fresh)

    async def library() -> None:
        rules.validate(jwt.decode(next(every), keys, registry=registry).claims)

    alone = await _best_us(library)
    step()
    known = await world.verifier.verify(token)
    shipped = Entitlements(world.providers, load_roles().grants)

    async def decide() -> None:
        roles = shipped.roles_in(known.provider, known.claims)
        shipped.principal(known.provider, known.subject, roles).must("chat:create")

    decided = await _best_us(decide)
    step()
    hold_back = constrained(_CONSTRAINTS, world.clock)
    address = ip_address("10.1.2.3")

    async def decide_strictly() -> None:
        roles = shipped.roles_in(known.provider, known.claims)
        caller = shipped.principal(known.provider, known.subject, roles)
        if hold_back is not None:
            caller = hold_back(caller, address)
        caller.must("chat:create")

    strictly = await _best_us(decide_strictly)
    step()
    return Known(cached, decided, strictly, verified, alone)


async def _best_us(work: Callable[[], Awaitable[object]]) -> float:
    best_s = float("inf")
    for _ in range(_BATCHES):
        began = time.process_time()
        for _ in range(_BATCH):
            await work()
        best_s = min(best_s, time.process_time() - began)
    return best_s / _BATCH * 1e6


def targets(found: Known) -> list[Target]:
    """The promises and what became of them."""
    return [
        Target("a token seen before, to permissions", found.cached_us, CACHED_US, "µs"),
        Target("roles and permissions alone", found.decided_us, DECIDED_US, "µs"),
        Target("the same under three constraints", found.constrained_us, DECIDED_US, "µs"),
    ]


def show(found: Known, console: "Console") -> None:
    """For people."""
    table = Table(title="Who is calling, CPU microseconds of a request", title_justify="left")
    for column in ("what", "measured"):
        table.add_column(column, justify="left" if column == "what" else "right")
    table.add_row("a token never seen", f"{found.verified_us:.1f}")
    table.add_row("the library alone", f"{found.library_us:.1f}")
    table.add_row("seen before, times quicker", f"{found.library_us / found.cached_us:.0f}")
    console.print(table)
    console.print(targets_table(targets(found)))


def plain(found: Known) -> dict[str, object]:
    """For bench.json."""
    figures = {name: round(value, 3) for name, value in asdict(found).items()}
    return {"security": {**figures, "targets": plain_targets(targets(found))}}
