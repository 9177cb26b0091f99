"""A declaration that cannot be meant stops the start, and says where it is written."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import BaseModel

from config.loader import load_settings
from config.problems import ConfigErrors
from deployments.mcp_gateway.business.declaration import (
    Arguments,
    BusinessTool,
    Call,
    CustomerArguments,
    Limit,
    RegistryError,
    Result,
    ToolRegistry,
)
from deployments.mcp_gateway.business.resolve import configured_registry, registry_of
from deployments.mcp_gateway.business.shipped import tools_registry
from deployments.security.money_limits import MoneyLimits
from routing.errors import ConfigError
from tests.unit.tools.desk import ROLES, Desk, calling


class Where(Arguments):
    place: str


class Open(BaseModel):
    place: str


class Sly(Arguments):
    tenant_id: str


class Unschemed(Arguments):
    place: object


class Found(Result):
    place: str


def find(_: object, call: Call, asked: Where) -> Found:
    return Found(place=asked.place)


async def ask(call: Call, asked: Where) -> Found:
    return Found(place=asked.place)


GOOD = BusinessTool("find", "Find", "Finds.", Where, Found, "read", "mcp:tools", work=find)
LIMITED = Limit("refunds_usd_per_customer_month", lambda *_: 0)


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ([replace(GOOD, name="Find")], "'Find': a name is lower-case"),
        ([replace(GOOD, name="tools__find")], "single _"),
        ([replace(GOOD, name="f" * 57)], "56 at most"),
        ([replace(GOOD, name="")], "a name is"),
        ([replace(GOOD, title=" ")], "needs a title and a description"),
        ([replace(GOOD, permission="")], "nothing is granted by default"),
        ([replace(GOOD, work=None)], "exactly one of work and ask"),
        ([replace(GOOD, ask=ask)], "exactly one of work and ask"),
        ([replace(GOOD, repeatable=True)], "repeatable is about tools that ask"),
        ([replace(GOOD, timeout_s=0)], "timeout_s"),
        ([replace(GOOD, timeout_s=float("nan"))], "timeout_s"),
        ([replace(GOOD, timeout_s=1e9)], "at most 120"),
        ([replace(GOOD, limit=LIMITED)], "a limit is about money"),
        ([replace(GOOD, arguments=Open)], "a subclass of Arguments"),
        ([replace(GOOD, arguments=Sly)], "tenant_id is bound by the server"),
        ([GOOD, GOOD], "find: is declared twice"),
        ([replace(GOOD, name=f"t{n}") for n in range(201)], "200 at most"),
        ([replace(GOOD, title=""), replace(GOOD, name="X")], "'X'"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(tools: list[BusinessTool], said: str) -> None:
    with pytest.raises(RegistryError, match=said):
        ToolRegistry(tools)


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(RegistryError) as refused:
        ToolRegistry([replace(GOOD, title="", permission="", timeout_s=-1)])
    assert refused.value.detail.count("find: ") == 3


async def test_every_shipped_tool_is_offered_as_it_is_declared(desk: Desk) -> None:
    offered = {tool.local_name: tool for tool in await desk.gateway.tools(calling("admin"))}
    assert set(offered) == {tool.name for tool in tools_registry.tools}
    for tool in tools_registry.tools:
        shown = offered[tool.name]
        assert shown.name == f"tools__{tool.name}"
        assert shown.input_schema == tool.input_schema
        assert shown.output_schema == tool.output_schema
        assert (shown.side_effect, shown.permission, shown.trust) == (
            tool.side_effect, tool.permission, "own",
        )  # fmt: skip
        assert shown.timeout_s > tool.timeout_s
    assert {t.name: t.side_effect for t in tools_registry.tools} == {
        "look_up_customer": "read", "list_invoices": "read", "look_up_order": "read",
        "refund_invoice": "money", "reset_password": "write", "change_plan": "money",
        "open_incident": "write",
    }  # fmt: skip


async def test_who_may_only_look_is_offered_nothing_that_changes(desk: Desk) -> None:
    looker = replace(
        calling(), principal=replace(calling().principal, permissions=frozenset({"mcp:tools"}))
    )
    offered = await desk.gateway.tools(looker)
    assert {tool.side_effect for tool in offered} == {"read"}
    assert await desk.gateway.tools(calling("customer")) == ()


@pytest.mark.parametrize("tool", tools_registry.tools, ids=lambda tool: tool.name)
def test_a_schema_says_what_is_checked_and_holds_no_noise(tool: BusinessTool) -> None:
    schema = tool.input_schema
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert "title" not in schema
    properties = schema["properties"]
    assert isinstance(properties, Mapping)
    assert "user_id" in properties
    assert all(isinstance(p, Mapping) and "title" not in p for p in properties.values())


def test_a_property_may_be_called_title() -> None:
    incident = tools_registry.by_name["open_incident"].input_schema["properties"]
    assert isinstance(incident, Mapping)
    assert "title" in incident


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("nothing", "'nothing' is written, but expected tools_registry or package.module:name"),
        ("no/path.py", "expected tools_registry"),
        ("'a.b:'", "expected tools_registry"),
        ("a b:c", "expected tools_registry"),
        ("''", "text that is not empty"),
        ("7", "text"),
    ],
)
def test_a_name_that_is_none_is_refused_where_it_is_written(
    tmp_path: Path, written: str, said: str
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(f"mcp:\n  servers:\n    tools:\n      registry: {written}\n")
    with pytest.raises(ConfigErrors) as refused:
        load_settings([file], {}, "development")
    assert str(refused.value).startswith(f"{file}:4: mcp.servers.tools.registry: ")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("no_such_package.tools:registry", "cannot be imported: ModuleNotFoundError"),
        ("json:nothing", "cannot be imported: AttributeError"),
        ("json:dumps", "is a function, not a ToolRegistry"),
        ("tests.unit.tools.broken_registry:registry", "find: exactly one of work and ask"),
        (
            "tests.unit.tools.company:unknown_permission",
            "nobody can have the permission 'stars:move'",
        ),
        ("tests.unit.tools.company:unlimited", "has no limit 'stars_usd'"),
    ],
)
def test_a_registry_that_cannot_be_had_is_refused_where_it_is_named(
    tmp_path: Path, named: str, said: str
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(f"mcp:\n  servers:\n    tools:\n      registry: {named}\n")
    settings = load_settings([file], {}, "development").settings
    with pytest.raises(ConfigError) as refused:
        configured_registry(settings, [file])
    assert str(refused.value).startswith(f"{file}:4: mcp.servers.tools.registry: ")
    assert said in str(refused.value)


async def test_a_companys_own_registry_is_found_by_its_name() -> None:
    registry = registry_of("tests.unit.tools.company:registry", ROLES)
    assert [tool.name for tool in registry.tools] == ["find"]


def test_with_the_server_switched_off_there_are_no_tools(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("mcp:\n  servers:\n    tools: {enabled: false, registry: 'not.there:r'}\n")
    settings = load_settings([file], {}, "development").settings
    assert configured_registry(settings, [file]).tools == ()


def test_a_role_without_a_limit_moves_nothing_and_several_roles_the_most_of_any() -> None:
    limits = MoneyLimits({"refunds": {"agent": 200, "supervisor": 1000}})
    assert limits.of("refunds", ["service"]) == 0
    assert limits.of("refunds", []) == 0
    assert limits.of("other", ["agent"]) == 0
    assert limits.of("refunds", ["agent", "service", "supervisor"]) == 1000


def test_a_customer_is_never_a_mere_argument() -> None:
    for tool in tools_registry.tools:
        assert issubclass(tool.arguments, CustomerArguments)
