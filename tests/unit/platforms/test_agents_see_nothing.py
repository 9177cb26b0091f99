"""Agents of vendors read text: an image is refused aloud, not left out."""

from collections.abc import Callable

import pytest

from deployments.platforms.copilot import codec as copilot
from deployments.platforms.vertex import agent_codec as agent_engine
from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatRequest
from routing.message import Image, Message

SEEN = Message("user", "What is it?", images=(Image("image/png", data="iVBORw0KGgo="),))


@pytest.mark.parametrize("ask", [copilot.encode_text, agent_engine.check_question])
def test_an_image_for_an_agent_is_refused(ask: Callable[[ChatRequest], object]) -> None:
    """Its profile has no vision; were it wrong, the answer would be to another question."""
    for turns in ((SEEN,), (SEEN, Message("assistant", "A lamp."), Message("user", "Which?"))):
        with pytest.raises(PlatformError, match="no images") as caught:
            ask(ChatRequest("agent", turns))
        assert caught.value.kind is ErrorKind.INVALID_REQUEST
