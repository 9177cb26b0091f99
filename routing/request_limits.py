"""What one platform's wire takes of tools, schemas and images: its vendor's documented limits."""

from dataclasses import dataclass

from routing.message import IMAGE_TYPES, ImageType
from routing.tool_schema import Dialect

DEAREST_IMAGE_TOKENS = 48_169
"""What one image costs at most where it costs most: gpt-4o-mini, 2,833 and 5,667 for each of 8 tiles."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The limits of one model on one platform; None where the vendor documents none.

    `tool_name` is a regular expression. `dialect` is whose subset of JSON Schema a strict
    tool and a response's schema must keep to; `strict_optionals` and `strict_unions` count
    parameters over all strict tools and the response's schema together.
    `names_image_types` says that the address of an image must come with its media type.
    `image_tokens` is what one image is billed at most, as the codec sends it. `continues` is
    whether it can be shown an answer that another began: an agent takes a question, no turns.
    Of fewer output tokens than `least_output_tokens` the wire does not know: so many are asked for.
    """

    tools: int | None = None
    tool_name: str | None = None
    dialect: Dialect | None = None
    strict_tools: int | None = None
    strict_optionals: int | None = None
    strict_unions: int | None = None
    image_types: frozenset[ImageType] = IMAGE_TYPES
    names_image_types: bool = False
    image_tokens: int = DEAREST_IMAGE_TOKENS
    continues: bool = True
    least_output_tokens: int = 1
