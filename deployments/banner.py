"""What a start says when it is ready: where everything is, and a first question to copy."""

from collections.abc import Iterator

from deployments.boot import Boot


def banner(boot: Boot, address: str, dashboard: str, *, key_opens: bool) -> Iterator[str]:
    """The lines. With `key_opens` the first start's key is shown to be used; else the way to another."""
    key = boot.admin_key
    ended = (
        ""
        if key_opens
        else "   (revoked or expired: delete the file, and the next start makes one)"
    )
    shown = f"$(cat {key})" if key_opens else "$KEY"
    yield f"SupportMax   {address}"
    yield f"MCP          {address}/mcp"
    yield f"admin key    {key}{ended}"
    yield f"dashboard    {dashboard}   (token: {boot.home / 'ray.token'})"
    yield ""
    yield "Ask it something:"
    yield ""
    if not key_opens:
        yield f"KEY=$(SUPPORTMAX_HOME={boot.home} supportmax keys create me --role admin)"
    yield f"""curl -s {address}/v3/chat -H "Authorization: Bearer {shown}" \\"""
    yield """  -H 'Content-Type: application/json' \\"""
    yield """  -d '{"message": "I was charged twice in November. Do I get my money back?", "user_id": "user_123"}'"""
    yield ""
    yield "Ctrl-C stops everything."
