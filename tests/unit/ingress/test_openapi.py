"""What /openapi.json says of parameters and answers is what the routes do."""

from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from starlette.requests import Request

from actors.database import open_database
from actors.database.audit_events import AuditEvents
from deployments.ingress import api, openapi
from deployments.ingress.audit import AuditRoutes
from deployments.ingress.gateway_operations import context_operations
from deployments.ingress.platform_settings import PlatformSettingsRoutes
from deployments.ingress.routes import Operation
from deployments.security.principal import Principal
from routing.clock import ManualClock
from tests.audit_world import AuditWorld
from tests.unit.ingress.test_routes import _Handlers
from tests.unit.routing.worlds import NOW

PERMISSIONS = frozenset({"audit:read"})


async def auditor(_: Request) -> Principal:
    return Principal("acme", "key:1", frozenset(), PERMISSIONS)


def described(rows: list[Operation], method: str, path: str) -> dict[str, Any]:
    paths = cast("dict[str, Any]", openapi.document(rows, "1.2.3")["paths"])
    return cast("dict[str, Any]", paths[path][method])


@pytest.mark.parametrize("name", ["subject", "object", "action", "cursor", "since"])
async def test_a_text_of_a_query_may_be_as_long_as_the_document_says_and_no_longer(
    tmp_path: Path, name: str
) -> None:
    database = open_database(tmp_path / "x.sqlite")
    await database.migrate()
    async with AuditWorld(tmp_path).trail() as trail:
        rows = AuditRoutes(AuditEvents(database), trail, ManualClock(NOW)).operations()
        schemas = {
            each["name"]: each["schema"]
            for each in described(rows, "get", "/v3/audit")["parameters"]
        }
        most = schemas[name]["maxLength"]
        inside = httpx2.ASGITransport(api.application(rows, auditor, PERMISSIONS, 1_000))
        async with httpx2.AsyncClient(transport=inside, base_url="http://supportmax") as http:
            for length in (0, 1, most, most + 1):
                answer = await http.get("/v3/audit", params={name: "a" * length})
                told = answer.json().get("errors", [{}])[0].get("message", "")
                assert ("characters" in told) == (length not in {1, most}), answer.text
            assert (await http.get("/v3/audit", params={"subject": "a" * 300})).status_code == 200
            lines = await http.get("/v3/audit", params={"format": "ocsf"})
    await database.aclose()
    assert schemas["limit"] == {"type": "integer", "minimum": 1, "maximum": 1000}
    kinds = described(rows, "get", "/v3/audit")["responses"]["200"]["content"]
    assert {lines.headers["content-type"], "application/json"} == set(kinds)


def test_what_is_not_there_is_a_404_in_the_document_where_no_path_names_it() -> None:
    """A version of settings to restore; a customer of whom is asked what is known."""
    nothing: Any = _Handlers()
    rows = [
        *PlatformSettingsRoutes(nothing, nothing, frozenset(), ManualClock(NOW)).operations(),
        *context_operations(nothing),
    ]
    for path in ("/admin/platforms/configure", "/v3/mcp/context"):
        assert "404" in described(rows, "post", path)["responses"]


def test_every_route_that_can_refuse_a_body_for_its_size_says_so() -> None:
    """Also those that take none: what is too large is refused before anybody looks for a route."""
    rows = context_operations(cast("Any", _Handlers()))
    for op in rows:
        assert "413" in described(rows, op.method.lower(), op.path)["responses"]
