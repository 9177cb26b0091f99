"""A server with the tools, resources and prompts that the MCP conformance suite asks for by name.

It is mounted without a prefix beside the product's own servers (`mcp_deploy`).
"""

import asyncio
import base64
import json
import os
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from mcp import MCPError
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CallToolResult,
    Completion,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    EmbeddedResource,
    ImageContent,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel, Field

from deployments.mcp_gateway import caller
from deployments.mcp_gateway.composition import Parts, own_servers
from deployments.mcp_gateway.mounted import Mounted, Rule
from deployments.mcp_gateway.tool_server import ToolServer

PERMISSION = "mcp:tools"
# One red point, and a hundredth of a second of silence.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)
WAV = (
    b"RIFF" + (116).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    + b"\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00"
    + b"data" + (80).to_bytes(4, "little") + b"\x80" * 80
)  # fmt: skip

Answer: TypeAlias = CallToolResult | InputRequiredResult
Asked: TypeAlias = Context[Any, Any]
server: MCPServer[Any] = MCPServer("conformance")


class Name(BaseModel):
    """What a form brings back."""

    name: str


def form(message: str, field: str, kind: str = "string") -> ElicitRequest:
    """A question with one field."""
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(text: str, max_tokens: int) -> CreateMessageRequest:
    """A question to the client's model."""
    message = SamplingMessage(role="user", content=TextContent(text=text))
    return CreateMessageRequest(
        params=CreateMessageRequestParams(messages=[message], max_tokens=max_tokens)
    )


def said(*texts: str) -> CallToolResult:
    """An answer of text."""
    return CallToolResult(content=[TextContent(text=text) for text in texts])


def asks(requests: Mapping[str, InputRequest], state: str | None = None) -> InputRequiredResult:
    """Questions, and what is to be remembered meanwhile."""
    return InputRequiredResult(input_requests=dict(requests), request_state=state)


def accepted(ctx: Asked, key: str, field: str) -> object:
    """What was filled in under `key`; None where nothing valid was."""
    answer = (ctx.input_responses or {}).get(key)
    if not isinstance(answer, ElicitResult) or answer.action != "accept":
        return None
    return (answer.content or {}).get(field)


@server.tool()
async def test_simple_text() -> CallToolResult:
    """Answer with text."""
    return said("This is a simple text response for testing.")


@server.tool()
async def test_image_content() -> CallToolResult:
    """Answer with an image."""
    return CallToolResult(content=[_image()])


@server.tool()
async def test_audio_content() -> CallToolResult:
    """Answer with sound."""
    data = base64.b64encode(WAV).decode()
    return CallToolResult(content=[AudioContent(data=data, mime_type="audio/wav")])


@server.tool()
async def test_embedded_resource() -> CallToolResult:
    """Answer with a resource."""
    text = "This is an embedded resource content."
    return CallToolResult(content=[_embedded("test://embedded-resource", "text/plain", text)])


@server.tool()
async def test_multiple_content_types() -> CallToolResult:
    """Answer with three kinds of content."""
    data = json.dumps({"test": "data", "value": 123})
    mixed = _embedded("test://mixed-content-resource", "application/json", data)
    text = TextContent(text="Multiple content types test:")
    return CallToolResult(content=[text, _image(), mixed])


@server.tool()
async def test_error_handling() -> CallToolResult:
    """Fail on purpose."""
    raise ToolError("This tool intentionally returns an error for testing")


@server.tool()
async def test_tool_with_progress() -> CallToolResult:
    """Tell how far it is."""
    for done in (0, 50, 100):
        await caller.report_progress(done, 100)
        await asyncio.sleep(0.05)
    return said("Done.")


@server.tool()
async def test_missing_capability(ctx: Asked) -> Answer:
    """Need a client that lends its model."""
    declared = ctx.client_capabilities
    if declared is None or declared.sampling is None:
        raise MCPError(
            MISSING_REQUIRED_CLIENT_CAPABILITY,
            "The client lends no model.",
            {"requiredCapabilities": {"sampling": {}}},
        )
    return said("It lends one.")


@server.tool()
async def test_streaming_elicitation(ctx: Asked) -> Answer:
    """Tell something, and then ask."""
    await caller.report_progress(1, 2)
    if accepted(ctx, "user_name", "name") is None:
        return asks({"user_name": form("What is your name?", "name")})
    return said("Thank you.")


@server.tool()
async def test_logging_tool() -> CallToolResult:
    """Say nothing to who did not ask for the log."""
    return said("Done.")


@server.tool()
async def test_input_required_result_elicitation(ctx: Asked) -> Answer:
    """Ask for a name."""
    name = accepted(ctx, "user_name", "name")
    if not isinstance(name, str):
        return asks({"user_name": form("What is your name?", "name")})
    return said(f"Hello, {name}!")


@server.tool()
async def test_input_required_result_sampling(ctx: Asked) -> Answer:
    """Ask the client's model."""
    answer = (ctx.input_responses or {}).get("capital_question")
    if not isinstance(answer, CreateMessageResult):
        return asks({"capital_question": sample("What is the capital of France?", 100)})
    return CallToolResult(content=[TextContent(text=str(answer.content))])


@server.tool()
async def test_input_required_result_list_roots(ctx: Asked) -> Answer:
    """Ask for the client's folders."""
    answer = (ctx.input_responses or {}).get("client_roots")
    if not isinstance(answer, ListRootsResult):
        return asks({"client_roots": ListRootsRequest()})
    return said(*(str(root.uri) for root in answer.roots))


@server.tool()
async def test_input_required_result_request_state(ctx: Asked) -> Answer:
    """Ask, and know again what was asked."""
    if ctx.request_state != "asked" or accepted(ctx, "confirm", "ok") is None:
        return asks({"confirm": form("Please confirm", "ok", "boolean")}, "asked")
    return said("state-ok")


@server.tool()
async def test_input_required_result_multiple_inputs(ctx: Asked) -> Answer:
    """Ask three things at once."""
    given = ctx.input_responses or {}
    if ctx.request_state != "asked" or not {"user_name", "greeting", "client_roots"} <= set(given):
        questions: dict[str, InputRequest] = {
            "user_name": form("What is your name?", "name"),
            "greeting": sample("Generate a greeting", 50),
            "client_roots": ListRootsRequest(),
        }
        return asks(questions, "asked")
    return said("All three.")


@server.tool()
async def test_input_required_result_multi_round(ctx: Asked) -> Answer:
    """Ask twice, one after the other."""
    name = accepted(ctx, "step1", "name")
    if ctx.request_state is None or (ctx.request_state == "first" and name is None):
        return asks({"step1": form("Step 1: What is your name?", "name")}, "first")
    colour = accepted(ctx, "step2", "color")
    if colour is None:
        known = ctx.request_state if name is None else f"second:{name}"
        return asks({"step2": form("Step 2: What is your favorite color?", "color")}, known)
    return said(f"{ctx.request_state.removeprefix('second:')} likes {colour}.")


@server.tool()
async def test_input_required_result_tampered_state(ctx: Asked) -> Answer:
    """Ask, with something nobody may change on the way."""
    if ctx.request_state is None:
        return asks({"confirm": form("Please confirm", "ok", "boolean")}, "untouched")
    return said(ctx.request_state)


@server.tool()
async def test_input_required_result_capabilities(ctx: Asked) -> Answer:
    """Ask only what the client can be asked."""
    declared = ctx.client_capabilities
    if ctx.input_responses:
        return said("Done.")
    requests: dict[str, InputRequest] = {}
    if declared is not None and declared.sampling is not None:
        requests["greeting"] = sample("Generate a greeting", 50)
    if declared is not None and declared.elicitation is not None:
        requests["user_name"] = form("What is your name?", "name")
    return asks(requests)


@server.tool()
async def which_replica() -> str:
    """The number of the process that answers."""
    return str(os.getpid())


@server.tool()
async def wait_for_ever(port: int) -> CallToolResult:
    """Hold a connection to the caller's port for as long as the call is under way."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await asyncio.Event().wait()
    finally:
        writer.close()
    return said("It did not.")


@server.tool()
async def send_invoice(ctx: Asked, to: str) -> Answer:
    """Ask who it is from, in a form, and say both."""
    name = accepted(ctx, "user_name", "name")
    if not isinstance(name, str):
        return asks({"user_name": form("Who sends it?", "name")}, str(os.getpid()))
    return said(f"{name} to {to}; asked by {ctx.request_state}, sent by {os.getpid()}")


@server.resource("test://static-text", mime_type="text/plain")
def static_text() -> str:
    """Text."""
    return "This is the content of the static text resource."


@server.resource("test://static-binary", mime_type="image/png")
def static_binary() -> bytes:
    """Bytes."""
    return PNG


@server.resource("test://template/{id}/data", mime_type="application/json")
def template_data(id: str) -> str:  # noqa: A002  the template's word
    """What the address says."""
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


@server.prompt()
def test_simple_prompt() -> str:
    """A prompt."""
    return "This is a simple prompt for testing."


@server.prompt()
def test_prompt_with_arguments(
    arg1: Annotated[str, Field(description="First test argument")],
    arg2: Annotated[str, Field(description="Second test argument")],
) -> str:
    """A prompt with holes."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@server.prompt()
def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803
    """A prompt with a resource."""
    held = _embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
    return [UserMessage(held), UserMessage("Please process the embedded resource above.")]


@server.prompt()
def test_prompt_with_image() -> list[UserMessage]:
    """A prompt with an image."""
    return [UserMessage(_image()), UserMessage("Please analyze the image above.")]


@server.prompt()
async def test_input_required_result_prompt(ctx: Asked) -> list[UserMessage] | InputRequiredResult:
    """A prompt that asks."""
    context = accepted(ctx, "user_context", "context")
    if context is None:
        return asks({"user_context": form("What context should the prompt use?", "context")})
    return [UserMessage(f"In the context of {context}.")]


@server.completion()  # type: ignore[no-untyped-call, untyped-decorator]
async def complete(ref: object, argument: object, context: object) -> Completion:
    """Nothing goes on in any way."""
    return Completion(values=[])


def _image() -> ImageContent:
    return ImageContent(data=base64.b64encode(PNG).decode(), mime_type="image/png")


def _embedded(uri: str, kind: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(resource=TextResourceContents(uri=uri, mime_type=kind, text=text))


async def servers(parts: Parts) -> list[ToolServer]:
    """The product's own servers, and this one beside them."""
    rule = Rule(permission=PERMISSION, side_effect="read", timeout_s=60.0)
    rules = {tool.name: rule for tool in await server.list_tools()}
    return [*await own_servers(parts), await Mounted.mount("", PERMISSION, server, rules)]
