"""Settings of the MCP gateway and the servers behind it."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.upstreams import Authority, OutboundSettings, Upstream, UpstreamName
from config.values import Section, Text, WebAddress, Whole

Source = Literal["vector_store", "knowledge_graph", "database", "memory"]

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class GatewaySettings(Section):
    """Where MCP clients connect.

    The gateway answers below /mcp on the address of everything else. `port` is therefore not
    listened on; one that differs from the server's is warned of. `max_connections` bounds the
    requests under way in one replica.
    """

    port: Whole | None = Field(default=None, ge=1, le=65_535, examples=[8000])
    max_connections: Whole = Field(default=1000, ge=1, le=100_000, examples=[1000])


class GatewaySecurity(Section):
    """Who may knock at the gateway, and what its clients know it as.

    A host or origin that ends in `:*` has any port, or none. `resource_url` is the address of
    /mcp behind a load balancer; unset, it is the one a request came to. The file of keys has one
    secret of 32 characters or more a line: the first seals what clients carry back to us, all
    open it; every replica needs the same. Unset, it is `mcp.keys` in the data directory.
    """

    allowed_hosts: tuple[Text, ...] = Field(
        default=tuple(f"{host}:*" for host in _LOOPBACK),
        max_length=100,
        examples=['["support.example.com"]'],
    )
    allowed_origins: tuple[Text, ...] = Field(
        default=tuple(f"http://{host}:*" for host in _LOOPBACK),
        max_length=100,
        examples=['["https://support.example.com"]'],
    )
    resource_url: WebAddress | None = Field(
        default=None, examples=["https://support.example.com/mcp"]
    )
    authorization_servers: tuple[WebAddress, ...] = Field(
        default=(), max_length=10, examples=['["https://login.example.com"]']
    )
    request_state_keys_file: Text | None = Field(default=None, examples=["/run/secrets/mcp.keys"])


class KnowledgeServer(Section):
    """Search over what the company knows.

    `embedder` `lexical` finds passages by their words alone. `minilm` finds them by their meaning
    too; it needs the extra `minilm` (docs/knowledge.md says how it is installed) and 20 ms of a
    processor a question. `openai` and `azure_openai` have their vectors made by that platform's
    `embedding_model` (Azure: the name of its deployment), with its credentials, at its price.
    `index` `pgvector` keeps vectors in the PostgreSQL of `database.url` and not in memory: for
    more than some 200,000 passages.
    """

    enabled: bool = Field(default=True, examples=["true"])
    sources: tuple[Source, ...] = Field(
        default=("vector_store", "knowledge_graph", "database", "memory"),
        examples=["[vector_store, database]"],
    )
    embedder: Literal["lexical", "minilm", "openai", "azure_openai"] = Field(
        default="lexical", examples=["lexical"]
    )
    embedding_model: Text = Field(
        default="text-embedding-3-small", examples=["text-embedding-3-small"]
    )
    index: Literal["memory", "pgvector"] = Field(default="memory", examples=["memory"])


SHIPPED_TOOLS = "tools_registry"
"""The registry that ships; every other is an attribute of a module: `package.module:name`."""

_REGISTRY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


def _registry(named: str) -> str:
    if named != SHIPPED_TOOLS and not _REGISTRY.fullmatch(named):
        raise ValueError(
            f"{named[:64]!r} is written, but expected {SHIPPED_TOOLS} or package.module:name of an "
            "installed package, for example acme_support.tools:registry"
        )
    return named


class ToolsServer(Section):
    """Business tools that a model may call."""

    enabled: bool = Field(default=True, examples=["true"])
    registry: Annotated[Text, AfterValidator(_registry)] = Field(
        default=SHIPPED_TOOLS, examples=[SHIPPED_TOOLS]
    )


class MemoryServer(Section):
    """What was said before, what is known of customers, and runbooks.

    The database keeps all of it. `redis` and `redis_cluster` hold the ends of conversations at
    hand for all processes, in the Redis that the section redis names; `in_process` each for itself.
    """

    enabled: bool = Field(default=True, examples=["true"])
    backend: Literal["in_process", "redis", "redis_cluster"] = Field(
        default="in_process", examples=["redis_cluster"]
    )


class ChatTools(Section):
    """What the answers of /v3/chat may do and show.

    `tools` are the gateway's tools a model is offered, by name or with a `*` at the end; a caller
    without the permission of one is not offered it. `link_hosts` are where links and images of an
    answer may lead, over https; `*.example.com` is every host below that name. Others lose their link.
    """

    tools: tuple[Text, ...] = Field(
        default=("tools__*",), max_length=100, examples=["[tools__list_invoices, crm__*]"]
    )
    link_hosts: tuple[Text, ...] = Field(
        default=(), max_length=100, examples=["[help.example.com]"]
    )


class McpServers(Section):
    """The servers the gateway offers."""

    knowledge: KnowledgeServer = KnowledgeServer()
    tools: ToolsServer = ToolsServer()
    memory: MemoryServer = MemoryServer()


class McpSettings(Section):
    """The MCP side of the service."""

    gateway: GatewaySettings = GatewaySettings()
    servers: McpServers = McpServers()
    chat: ChatTools = ChatTools()
    security: GatewaySecurity = GatewaySecurity()
    outbound: OutboundSettings = OutboundSettings()
    authorities: dict[UpstreamName, Authority] = Field(default_factory=dict, max_length=100)
    upstreams: dict[UpstreamName, Upstream] = Field(default_factory=dict, max_length=100)
