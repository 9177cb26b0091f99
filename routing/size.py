"""How large a request is, in three classes: a long answer is not late, it is long."""

from enum import IntEnum

SMALL_INPUT_TOKENS = 2_000
SMALL_OUTPUT_TOKENS = 300
LARGE_INPUT_TOKENS = 16_000
LARGE_OUTPUT_TOKENS = 1_500
"""At 80 tokens a second, 300 are 4 s and 1,500 are 19 s; 16,000 tokens of input take a second or two to read."""


class Size(IntEnum):
    """The class of a request; figures about latency are kept by it."""

    SMALL = 0
    MEDIUM = 1
    LARGE = 2


def size_of(input_tokens: int, max_tokens: int) -> Size:
    """The class of a request with about so much input, and so much output at most."""
    if input_tokens > LARGE_INPUT_TOKENS or max_tokens > LARGE_OUTPUT_TOKENS:
        return Size.LARGE
    if input_tokens <= SMALL_INPUT_TOKENS and max_tokens <= SMALL_OUTPUT_TOKENS:
        return Size.SMALL
    return Size.MEDIUM
