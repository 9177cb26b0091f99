"""What the schemas of vendors' bodies share: how strict they are, and words for what is refused.

A field is typed by what is honoured. What another platform could not be made to do is
refused by name rather than dropped; what only tunes a vendor's own machinery is taken and
left to the platform's profile, and each schema says which those are.
"""

from typing import Annotated, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError

from deployments.nesting import ShallowSchema


class VendorBody(BaseModel):
    """A piece of a vendor's body: an unknown field is an error that names it."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


def _refuse(value: object) -> None:
    # Clients write out defaults; an empty one asks for nothing.
    if value not in (None, [], {}):
        raise PydanticCustomError("unsupported", "SupportMax cannot honour this; leave it out")


Refused = Annotated[None, BeforeValidator(_refuse)]
"""A field of the vendor's that may only be empty."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
"""A function's name; what fits every platform."""

CallId = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Schema: TypeAlias = ShallowSchema

ModelName = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Metadata: TypeAlias = dict[str, Annotated[str, StringConstraints(max_length=512)]]

# Four times what OpenAI and Google take, so that a platform which takes more can be found; each
# is sent with every call of a conversation.
TOOLS_MAX = 512
TOKENS_MAX = 1_000_000
# More than anybody's client puts into a message; each costs a microsecond to read and a hundred
# bytes to keep, and a body has room for 300,000.
PARTS_MAX = 1_000
WORDS_MAX = 16  # in a list of an API's own words, of which there are never so many


def expand_text(kind: str, schema: object) -> BeforeValidator:
    """A plain string where a list of parts may stand becomes one part of type `kind`."""

    def expand(value: object) -> object:
        return [{"type": kind, "text": value}] if isinstance(value, str) else value

    return BeforeValidator(expand, json_schema_input_type=schema)
