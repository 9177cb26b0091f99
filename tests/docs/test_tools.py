"""docs/tools.md: its example is a registry that can be used, and its tables are the product's."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from deployments.mcp_gateway.business.resolve import registry_of
from deployments.mcp_gateway.business.shipped import tools_registry
from deployments.security.rbac import load_roles
from tests.unit.tools.desk import calling, opened, said

PAGE = (Path(__file__).parents[2] / "docs/tools.md").read_text("utf-8")


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> str:
    """The page's module, where the page says it is."""
    module = ModuleType("acme_tools")
    monkeypatch.setitem(sys.modules, "acme_tools", module)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(code, vars(module))  # noqa: S102  it is ours
    return "acme_tools:registry"


async def test_the_example_is_a_tool_that_works(example: str, tmp_path: Path) -> None:
    registry = registry_of(example, load_roles())
    async with opened(tmp_path / "x.db", registry) as desk:
        done = await desk.call(calling(), "cancel_delivery", {"delivery_id": "D-7"}, "k")
        assert said(done) == {"delivery_id": "D-7"}
        shipped = await desk.call(calling(), "cancel_delivery", {"delivery_id": "D-0"})
        assert "It is on its way already." in shipped.text
        assert (await desk.call(calling(), "cancel_delivery", {"delivery_id": "7"})).is_error


def test_the_table_names_every_shipped_tool_with_its_class_and_permission() -> None:
    rows = re.findall(r"^\| (`.+`) \| (\w+) \| `(.+)` \|$", PAGE, re.MULTILINE)
    told = {
        name: (effect, permission)
        for names, effect, permission in rows
        for name in re.findall(r"`(\w+)`", names)
    }
    assert told == {t.name: (t.side_effect, t.permission) for t in tools_registry.tools}


def test_the_limits_are_the_shipped_ones() -> None:
    limits = load_roles().limits
    for name, agent, supervisor, admin in re.findall(
        r"(\w+_usd\w*): \{agent: (\d+), supervisor: (\d+), admin: (\d+)\}", PAGE
    ):
        roles = ("agent", "supervisor", "admin")
        told = [int(usd) * 100 for usd in (agent, supervisor, admin)]
        assert [limits.of(name, [role]) for role in roles] == told
