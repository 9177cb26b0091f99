"""What passes between an upstream and whoever asked it, besides the answer: rows, progress, questions: pure but for progress.

Everything here was written by others and is read by a human or a model: it is cleaned, cut, and
stands under the name of who wrote it.
"""

from collections.abc import Mapping

from mcp.shared.dispatcher import ProgressFnT
from mcp_types import (
    Completion,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    InputRequiredResult,
    InputResponse,
    Prompt,
    PromptArgument,
    Resource,
    ResourceTemplate,
)

from deployments.mcp_gateway.tool_server import Exchange, UpstreamFailed
from deployments.mcp_gateway.upstreams.definition import cleaned, shown
from deployments.mcp_gateway.upstreams.schemas import fault_of

# A person answers one form, of a few fields.
QUESTIONS_MAX = 3
FIELDS_MAX = 10
QUESTION_MAX = 1_000
STATE_MAX = 16 * 1024
# Told at most once for each percent and then some; the rest would only fill the caller's stream.
PROGRESS_MAX = 200
LABEL_MAX = 200
VALUES_MAX = 100
URI_MAX = 2_048


def resource(row: Resource) -> Resource:
    """A resource without what only its server's own pages need."""
    return Resource(
        uri=row.uri,
        name=shown(row.name, LABEL_MAX),
        title=None if row.title is None else shown(row.title, LABEL_MAX),
        description=None if row.description is None else shown(row.description, QUESTION_MAX),
        mime_type=None if row.mime_type is None else shown(row.mime_type, LABEL_MAX),
        size=row.size,
    )


def template(row: ResourceTemplate) -> ResourceTemplate:
    """An address with holes, in the same way."""
    return ResourceTemplate(
        uri_template=row.uri_template,
        name=shown(row.name, LABEL_MAX),
        title=None if row.title is None else shown(row.title, LABEL_MAX),
        description=None if row.description is None else shown(row.description, QUESTION_MAX),
        mime_type=None if row.mime_type is None else shown(row.mime_type, LABEL_MAX),
    )


def prompt(row: Prompt) -> Prompt:
    """A prompt, in the same way."""
    arguments = [
        PromptArgument(
            name=shown(given.name, LABEL_MAX),
            description=None if given.description is None else shown(given.description, LABEL_MAX),
            required=given.required,
        )
        for given in (row.arguments or [])[:FIELDS_MAX]
    ]
    return Prompt(
        name=row.name,
        title=None if row.title is None else shown(row.title, LABEL_MAX),
        description=None if row.description is None else shown(row.description, QUESTION_MAX),
        arguments=arguments,
    )


def completion(found: Completion) -> Completion:
    """How something may go on."""
    values = [shown(value, LABEL_MAX) for value in found.values[:VALUES_MAX]]
    return Completion(values=values, has_more=len(found.values) > VALUES_MAX or found.has_more)


def progress(server: str, exchange: Exchange) -> ProgressFnT | None:
    """Who tells the caller how far the upstream is; None where nobody listens."""
    tell = exchange.progress
    if tell is None:
        return None
    left = PROGRESS_MAX

    async def told(progress: float, total: float | None, message: str | None) -> None:
        nonlocal left
        if left > 0:
            left -= 1
            words = None if message is None else f"{server}: {shown(message, LABEL_MAX)}"
            await tell(progress, total, words)

    return told


def question(server: str, asked: InputRequiredResult, *, relayed: bool) -> InputRequiredResult:
    """What an upstream asks its user, under its own name.

    Only forms are passed on: an address to go to, the client's model and its folders are not an
    upstream's to ask for.

    Raises:
        UpstreamFailed: it may not ask, or asks for something else.
    """
    if not relayed:
        raise UpstreamFailed("It asks its user something, and is not allowed to.")
    requests = asked.input_requests or {}
    if len(requests) > QUESTIONS_MAX or len(asked.request_state or "") > STATE_MAX:
        raise UpstreamFailed("It asks its user too much.")
    forms: dict[str, InputRequest] = {
        key: _form(server, request) for key, request in requests.items()
    }
    return InputRequiredResult(input_requests=forms or None, request_state=asked.request_state)


def answers(exchange: Exchange) -> dict[str, InputResponse] | None:
    """What the human filled in; answers to anything else are not passed on."""
    if exchange.answers is None:
        return None
    return {key: said for key, said in exchange.answers.items() if isinstance(said, ElicitResult)}


def _form(server: str, request: InputRequest) -> InputRequest:
    params = request.params if isinstance(request, ElicitRequest) else None
    if not isinstance(params, ElicitRequestFormParams):
        raise UpstreamFailed("It asks for something that is not passed on.")
    schema = params.requested_schema
    fields = schema.get("properties", {})
    if not isinstance(fields, Mapping) or len(fields) > FIELDS_MAX or fault_of(schema) is not None:
        raise UpstreamFailed("It asks with a form that is not passed on.")
    message = f"The server {server}, which is not SupportMax, asks:\n"
    message += shown(params.message, QUESTION_MAX)
    plain = cleaned(schema)
    assert isinstance(plain, dict)  # noqa: S101  for the types: it was a mapping
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=plain))
