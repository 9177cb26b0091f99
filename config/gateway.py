"""Settings of the MCP gateway and the servers behind it."""

from typing import Literal

from pydantic import Field

from config.values import Section, Text, Whole

Source = Literal["vector_store", "knowledge_graph", "database"]


class GatewaySettings(Section):
    """Where MCP clients connect."""

    port: Whole = Field(default=8080, ge=1, le=65_535, examples=[8080])
    max_connections: Whole = Field(default=1000, ge=1, le=100_000, examples=[1000])


class KnowledgeServer(Section):
    """Search over what the company knows."""

    enabled: bool = Field(default=True, examples=["true"])
    sources: tuple[Source, ...] = Field(
        default=("vector_store", "knowledge_graph", "database"),
        examples=["[vector_store, database]"],
    )


class ToolsServer(Section):
    """Business tools that a model may call."""

    enabled: bool = Field(default=True, examples=["true"])
    registry: Text = Field(default="tools_registry", examples=["tools_registry"])


class MemoryServer(Section):
    """What was said before; without a Redis the process itself remembers."""

    enabled: bool = Field(default=True, examples=["true"])
    backend: Literal["in_process", "redis", "redis_cluster"] = Field(
        default="in_process", examples=["redis_cluster"]
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
