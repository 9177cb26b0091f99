"""How much there is to seal: everything in which values are looked for, wherever it stands."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from routing.exchange import ChatRequest
from routing.message import Json, Message

TEXT_WEIGHT = 32
"""Characters of prose that take as long as beginning with a text does: 1 us, and ten times that where
it is a number. So a list of a thousand numbers is not little."""

DIGIT_WEIGHT = 8
"""What a digit weighs besides: with nothing but single ones, a character takes 12 us."""

_SCALARS = (bool, int, float)


def is_heavier(said: Iterable[Json], most: int) -> bool:
    """Whether all this is more than `most` characters of prose are; no more than that is looked at."""
    left = most
    for weight in _weights(said):
        left -= weight
        if left < 0:
            return True
    return False


def _weights(said: Iterable[Json]) -> Iterator[int]:
    waiting: list[Iterator[Json]] = [iter(said)]
    while waiting:
        for one in waiting[-1]:
            if isinstance(one, str):
                yield _weight(one)
            elif one is None or isinstance(one, _SCALARS):
                yield TEXT_WEIGHT
            elif isinstance(one, Mapping):
                waiting += (iter(one.values()), iter(one))
                break
            else:
                waiting.append(iter(one))
                break
        else:
            waiting.pop()


def _weight(text: str) -> int:
    return TEXT_WEIGHT + len(text) + DIGIT_WEIGHT * sum(map(text.count, "0123456789"))


def of_messages(messages: Iterable[Message]) -> Iterator[Json]:
    """What is sealed of them: their words, the arguments of calls, and what calls returned."""
    for message in messages:
        yield message.text
        yield from (call.arguments for call in message.tool_calls)
        yield from (result.content for result in message.tool_results)


def of_request(request: ChatRequest) -> Iterable[Json]:
    """The same of a request, with what its tools and its answer are to be like."""
    schema = request.response_schema
    tools = (part for tool in request.tools for part in (tool.description, tool.parameters))
    return chain(
        (request.system, None if schema is None else schema.schema),
        tools,
        of_messages(request.messages),
    )
