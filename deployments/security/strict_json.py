"""JSON that means one thing: a name twice, NaN or Infinity make it nothing."""

import json
from collections.abc import Mapping
from typing import NoReturn


def read_object(text: bytes) -> Mapping[str, object]:
    """The object in `text`.

    Two readers of one document may each believe another of two members of one name, so a
    document with such is refused as a whole.

    Raises:
        ValueError: it is not JSON, not an object, ambiguous, or deeper than anybody writes.
    """
    try:
        found = json.loads(
            text.decode("utf-8"), object_pairs_hook=_unambiguous, parse_constant=_refuse
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("not an object")  # noqa: TRY004  it is the text that is wrong
    return found


def _unambiguous(members: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a name stands twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")
