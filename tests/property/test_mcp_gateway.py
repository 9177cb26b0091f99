"""Whoever asks: what the gateway does not list, it does not call, and what it lists, it does."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.mcp_gateway.gateway import Gateway
from deployments.mcp_gateway.tool import Tool
from routing.clock import ManualClock
from routing.errors import AccessError
from tests.unit.gateway.tool_world import Shop, caller, tool

PERMISSIONS = ("mcp:context", "mcp:tools", "chat:create", "users:erase")
TENANTS = ("northwind", "globex")
SERVERS = ("shop", "sh", "shop__a", "")

tools = st.builds(
    tool,
    st.sampled_from(["a", "b", "a__b", "_a"]),
    server=st.sampled_from(SERVERS),
    permission=st.sampled_from(PERMISSIONS),
)


@given(
    offered=st.lists(tools, max_size=8, unique_by=lambda tool: tool.name),
    tenant_of=st.dictionaries(st.sampled_from(SERVERS), st.sampled_from(TENANTS)),
    permissions=st.sets(st.sampled_from(PERMISSIONS)),
    tenant=st.sampled_from(TENANTS),
)
def test_what_is_not_listed_is_not_called(
    offered: list[Tool], tenant_of: dict[str, str], permissions: set[str], tenant: str
) -> None:
    shops = {
        name: Shop(*(one for one in offered if one.server == name), name=name) for name in SERVERS
    }
    gateway = Gateway(
        [shop for name, shop in shops.items() if name not in tenant_of],
        ManualClock(),
        federated=lambda asked: [shops[n] for n, owner in tenant_of.items() if owner == asked],
    )
    asking = caller(*permissions, tenant=tenant)

    async def judge() -> None:
        listed = {found.name for found in await gateway.tools(asking)}
        for one in offered:
            reachable = tenant_of.get(one.server, tenant) == tenant
            assert (one.name in listed) == (reachable and one.permission in permissions)
            before = {name: len(shop.calls) for name, shop in shops.items()}
            if one.name in listed:
                assert not (await gateway.call(asking, one.name, {})).is_error
                assert len(shops[one.server].calls) == before[one.server] + 1
                continue
            with pytest.raises(AccessError, match="Unknown tool"):
                await gateway.call(asking, one.name, {})
            assert before == {name: len(shop.calls) for name, shop in shops.items()}

    anyio.run(judge)
