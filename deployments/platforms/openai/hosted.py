"""Tools that OpenAI calls by itself: the `mcp` tool of the Responses API. Pure."""

from dataclasses import replace
from typing import cast

from deployments.platforms.openai.codec import encode_request
from routing.exchange import ChatRequest, HostedTools
from routing.message import Json, JsonObject

SERVER_LABEL = "supportmax"


def encode(request: ChatRequest, stream: bool, *, is_hosted: bool) -> dict[str, Json]:
    """The body of `POST /responses`.

    With `is_hosted` OpenAI calls tools itself, where the request has some for that; it is then told
    of the others as functions alone.
    """
    hosted = request.hosted if is_hosted else None
    if hosted is None:
        return encode_request(request, stream)
    own = tuple(tool for tool in request.tools if tool.name not in hosted.names)
    body = encode_request(replace(request, tools=own), stream)
    functions = cast("list[Json]", body.get("tools", []))
    return {**body, "tools": [*functions, _mcp_tool(hosted)]}


def _mcp_tool(hosted: HostedTools) -> JsonObject:
    return {
        "type": "mcp",
        "server_label": SERVER_LABEL,
        "server_url": hosted.server_url,
        "authorization": hosted.token,
        "allowed_tools": list(hosted.names),
        # They only read; and nobody sits before a call of ours to approve another.
        "require_approval": "never",
    }
