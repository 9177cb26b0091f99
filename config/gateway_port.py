"""A notice where the configuration expects the MCP gateway on a port of its own."""

from collections.abc import Iterator

from config.document import Document
from config.problems import Notice
from config.settings import Settings


def check_gateway_port(settings: Settings, document: Document) -> Iterator[Notice]:
    """Say where the gateway is instead: one address is one thing to secure, and one to drain."""
    port, main = settings.mcp.gateway.port, settings.server.port
    if port is None or port == main:
        return
    message = (
        f"nothing listens on {port}: MCP is at /mcp on the port of everything else ({main}, or "
        "the one `run` is told); delete this line, or forward the port in front of SupportMax"
    )
    place = document.error(document.written(("mcp", "gateway", "port")), message)
    yield Notice(place.path, place.line, place.key, place.message)
