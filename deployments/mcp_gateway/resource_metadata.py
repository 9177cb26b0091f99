"""Where clients learn how to get in: the OAuth protected resource metadata of RFC 9728."""

from urllib.parse import urlsplit, urlunsplit

from starlette.requests import Request

from config.gateway import GatewaySecurity

PATH = "/mcp"
"""Where the gateway is, on the address of everything else."""
METADATA_PATH = f"/.well-known/oauth-protected-resource{PATH}"
"""RFC 9728, section 3.1: the well-known part comes between host and path."""

SCOPES = ("mcp:context", "mcp:tools")
"""Permissions of which one opens the door; each tool then names its own."""


def resource_url(security: GatewaySecurity, request: Request, path: str) -> str:
    """The address of `path` as its clients know it: configured, or as this request has it.

    The request's Host must have been checked.
    """
    if security.resource_url is not None:
        return security.resource_url
    return f"{request.url.scheme}://{request.headers['host']}{path}"


def metadata_url(resource: str) -> str:
    """Where the metadata of `resource` is."""
    parts = urlsplit(resource)
    path = f"/.well-known/oauth-protected-resource{parts.path.rstrip('/')}"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def metadata(security: GatewaySecurity, resource: str) -> dict[str, object]:
    """The document. Without an authorization server it names none: API keys are the credentials."""
    document: dict[str, object] = {
        "resource": resource,
        "resource_name": "SupportMax",
        "bearer_methods_supported": ["header"],
        "scopes_supported": list(SCOPES),
    }
    if security.authorization_servers:
        document["authorization_servers"] = list(security.authorization_servers)
    return document
