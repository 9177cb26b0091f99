"""Why a replica did not start, found in what Serve passes on of it: a page of frames around one line."""

import re
from dataclasses import dataclass

# A class of an error at the beginning of a line: `routing.errors.ConfigError: …`, `ValueError: …`.
_RAISED = re.compile(r"^((?:\w+\.)+\w+|\w+(?:Error|Exception)): ", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# A configuration's errors are 100 characters each; whoever has more of them reads these first.
_REASON_MAX = 2_000
# What the next attempt meets again: only a person can change it.
_OURS_TO_CHANGE = ("ConfigError", "ConfigErrors")


@dataclass(frozen=True, slots=True)
class Fault:
    """What was raised last, on one line. With `lasts` another attempt ends the same way."""

    reason: str
    lasts: bool


def fault_in(message: str) -> Fault | None:
    """What a message of Serve's says a replica raised; None where it says nothing of the kind."""
    text = _COLOUR.sub("", message)
    raised = list(_RAISED.finditer(text))
    if not raised:
        return None
    last = raised[-1]
    lines = [line.strip() for line in text[last.end() :].splitlines()]
    said = "; ".join(line for line in lines if line)
    name = last[1].rpartition(".")[2]
    lasts = name in _OURS_TO_CHANGE
    # Of an error of the configuration its own words are whole; of any other its class says what it is.
    reason = said if lasts else f"{name}: {said}"
    return Fault(reason[:_REASON_MAX], lasts)
