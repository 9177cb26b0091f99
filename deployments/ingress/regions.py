"""Where a tenant is served: GET /v3/regions/figures for the peers, and 421 for who is not at home here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from deployments.ingress.lending import LEASES
from deployments.ingress.routes import Authenticate, Call, reply
from deployments.security.principal import Principal
from routing.errors import MisdirectedRequest
from routing.region import RegionFigures

FIGURES = "/v3/regions/figures"
_OF_THE_REGION = frozenset({FIGURES, LEASES, "/v3/platforms/status", "/admin/platforms/breaker"})
"""Routes about the region itself: whoever may use them may do so from anywhere."""


class FiguresSource(Protocol):
    """Where a region's figures are: the coordinator's client, seen from here."""

    async def figures(self) -> RegionFigures:
        """As of now."""
        ...


class Regions:
    """The route of figures."""

    def __init__(self, source: FiguresSource) -> None:
        self._source = source

    async def figures(self, call: Call) -> Response:
        """This region's own, never what it heard of others: each peer asks each."""
        return reply((await self._source.figures()).to_json())


class Outlook(Protocol):
    """Who can tell whether another region is down."""

    def is_down(self, region: str) -> bool:
        """Whether it has not answered for a while."""
        ...


@dataclass(frozen=True, slots=True)
class Home:
    """Where a tenant is served, and whether elsewhere while that region is down."""

    region: str
    failover: bool


class Homes:
    """Which tenants this region serves."""

    def __init__(self, here: str, homes: Mapping[str, Home], outlook: Outlook) -> None:
        self._here = here
        self._homes = homes
        self._outlook = outlook

    def must_serve(self, tenant: str) -> None:
        """Return if the tenant is at home here, has no home, or its home is down and it may fail over.

        Raises:
            MisdirectedRequest: another region serves it.
        """
        home = self._homes.get(tenant)
        if home is None or home.region == self._here:
            return
        if home.failover and self._outlook.is_down(home.region):
            return
        raise MisdirectedRequest(
            f"This is the region {self._here}; the tenant is served in {home.region}.", home.region
        )


class AtHome:
    """Authentication, and then the question whether this is the tenant's region."""

    def __init__(self, authenticate: Authenticate, homes: Homes) -> None:
        self._authenticate = authenticate
        self._homes = homes

    async def __call__(self, request: Request) -> Principal:
        """Who is calling; raises AccessError or MisdirectedRequest."""
        principal = await self._authenticate(request)
        if request.url.path not in _OF_THE_REGION:
            self._homes.must_serve(principal.tenant)
        return principal
