"""A tool whose database is full: it is not available, which is no mistake of ours."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mcp_types import CallToolResult
from sqlalchemy import insert

from actors.database import open_database
from actors.database.tables import customer
from deployments.mcp_gateway.business import shipped
from deployments.mcp_gateway.business.runner import ToolRunner
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.servers.tools import tools_server
from deployments.mcp_gateway.tool_server import Exchange
from deployments.security.money_limits import MoneyLimits
from deployments.security.principal import Principal
from routing.clock import SystemClock

if TYPE_CHECKING:
    from routing.message import JsonObject

WORDS = "please move my account before my surgery in May"
# The free room of the file's last pages.
CALLS_MAX = 100
CUSTOMER = {
    "tenant": "acme", "user_id": "user_123", "account_name": "A", "email": "a@b.example",
    "plan": "pro", "region": "eu", "status": "active", "since": "2025-01-01",
}  # fmt: skip


async def test_who_called_is_told_and_what_they_wrote_is_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = open_database(tmp_path / "supportmax.db")
    await database.migrate()
    await database.write(lambda connection: connection.execute(insert(customer), CUSTOMER).close())
    runner = ToolRunner(shipped.tools_registry, database, MoneyLimits(), SystemClock())
    server = await tools_server(runner)
    [tool] = [each for each in shipped.tools_registry.tools if each.name == "open_incident"]
    may = frozenset({tool.permission, "customers:any"})
    caller = Caller(Principal("acme", "key:1", frozenset({"admin"}), may), "user_123", "conv_1")
    await database.write(
        lambda connection: connection.exec_driver_sql(
            f"PRAGMA max_page_count={connection.exec_driver_sql('PRAGMA page_count').scalar()}"
        ).close()
    )
    caplog.set_level(logging.DEBUG)
    arguments: JsonObject = {"severity": 3, "title": "Somebody's account", "description": WORDS * 3}
    said = ""
    for _ in range(CALLS_MAX):
        answer = await server.call(caller, "open_incident", arguments, Exchange())
        assert isinstance(answer, CallToolResult)
        if answer.is_error:
            said = str(answer.content)
            break
    assert "not available" in said
    assert WORDS not in caplog.text
    await database.aclose()
