"""The rows about this region itself, and those that only its peers call."""

from deployments.ingress import breaker_schema, lease_schema, region_schema
from deployments.ingress.breakers import Breakers
from deployments.ingress.lending import LEASES, Lending
from deployments.ingress.regions import FIGURES, Regions
from deployments.ingress.routes import Operation

# 2 MiB: a letter of 100 claims is 15 kB, and 2 MB where every name is as long as it may be.
LETTER_BODY_BYTES = 2 * 1024 * 1024


def region_operations(breakers: Breakers, regions: Regions) -> list[Operation]:
    """The routes about this region itself; nothing of a tenant is behind them."""
    path, schemas = "/admin/platforms/breaker", breaker_schema
    return [
        Operation(
            "POST", path, "Hold a breaker open or closed for a time, or give it back",
            "platforms:configure", "admin", "action", breakers.hold,
            schemas.OverrideList, schemas.BreakerBody, intent=breakers.intent,
        ),
        Operation(
            "GET", path, "The breakers that administrators hold",
            "platforms:configure", "admin", "access", breakers.held, schemas.OverrideList,
        ),
        Operation(
            "GET", FIGURES, "This region's figures, for its peers",
            "platforms:read", "read", "access", regions.figures, region_schema.FiguresBody,
        ),
    ]  # fmt: skip


def lease_operations(lending: Lending) -> list[Operation]:
    """The route on which other regions take part in budgets that are at home here."""
    return [
        Operation(
            "POST", LEASES, "Leases of budgets that are at home here, for a peer",
            "budgets:lease", "read", "action", lending.lend,
            lease_schema.LeaseAnswer, lease_schema.LeaseBody, max_body_bytes=LETTER_BODY_BYTES,
        ),
    ]  # fmt: skip
