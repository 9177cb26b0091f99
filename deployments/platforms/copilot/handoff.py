"""What an agent tells the person it passes a customer on to. Pure.

The value of `handoff.initiate` is a table of the agent's variables, those of Copilot Studio
with names that begin with `va-`. It comes from outside and goes to callers, so it is bounded.
"""

from collections.abc import Mapping

from deployments.platforms.vendor_json import dump
from routing.exchange import Handoff
from routing.message import Json

# Copilot Studio itself has 13 variables; the rest is for an agent's own.
MAX_ENTRIES = 32
_MAX_KEY = 64
# A few phrases; the conversation itself is kept, and need not be repeated.
MAX_TEXT = 2_000

# In this order: what the agent says to the person, else what the conversation was about.
_REASONS = ("va-AgentMessage", "reason", "va-LastTopic")


def read_handoff(value: Json) -> Handoff:
    """The handoff an activity's value stands for; one that is no table is the reason itself."""
    if not isinstance(value, Mapping):
        return Handoff(_text(value) or None, {})
    context = {
        str(key)[:_MAX_KEY]: text
        for key, one in list(value.items())[:MAX_ENTRIES]
        if (text := _text(one))
    }
    reason = next((context[key] for key in _REASONS if key in context), None)
    return Handoff(reason, context)


def _text(value: Json) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else dump(value).decode()
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
