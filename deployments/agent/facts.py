"""What is known of a request before anybody is asked: what it needs, and how large it is."""

from collections.abc import Iterable

from routing.capability import Capability
from routing.estimate import TaskFacts, count_input_bytes
from routing.exchange import ChatRequest
from routing.message import images_of
from routing.quality import QualityModel


def facts_of(
    request: ChatRequest, wanted: Iterable[Capability], quality: QualityModel | None
) -> TaskFacts:
    """What is known of a request of which these abilities are wanted, and those it shows itself.

    `quality` reads its last message, None where nobody goes by it.
    """
    needs = set(wanted)
    if request.tools:
        needs.add(Capability.FUNCTION_CALLING)
    if request.response_schema is not None:
        needs.add(Capability.JSON_SCHEMA)
    images = images_of(request.messages)
    if images:
        needs.add(Capability.VISION)
    return TaskFacts(
        input_bytes=count_input_bytes(
            request.system, request.messages, request.tools, request.response_schema
        ),
        messages=len(request.messages) + 1,
        max_tokens=request.max_tokens,
        needs=frozenset(needs),
        tools=request.tools,
        response_schema=request.response_schema,
        images=images,
        reading=None if quality is None else quality.read(request.messages[-1].text),
    )
