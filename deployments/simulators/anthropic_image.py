"""An image in a message to Anthropic, and what every block of a message shares."""

from typing import Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from deployments.simulators.images import (
    MEGAPIXEL,
    BadImageError,
    Kind,
    count_patches,
    measure,
)

Json: TypeAlias = dict[str, object]


class AnthropicWire(BaseModel):
    """A piece of Anthropic's wire: what is not documented is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CacheControl(AnthropicWire):
    """A breakpoint of the prompt cache."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class ImageBytes(AnthropicWire):
    """The bytes of an image."""

    type: Literal["base64"]
    media_type: Kind
    data: str = Field(max_length=5 * 1024 * 1024)

    @model_validator(mode="after")
    def _is_an_image(self) -> Self:
        try:
            measure(self.media_type, self.data)
        except BadImageError as error:
            raise PydanticCustomError("image", "{said}", {"said": str(error)}) from error
        return self


class ImageAddress(AnthropicWire):
    """The address of an image."""

    type: Literal["url"]
    url: str = Field(pattern=r"^https://")


class ImageFile(AnthropicWire):
    """An image uploaded before."""

    type: Literal["file"]
    file_id: str


class ImageBlock(AnthropicWire):
    """An image: checked, not looked at."""

    type: Literal["image"]
    source: ImageBytes | ImageAddress | ImageFile = Field(discriminator="type")
    cache_control: CacheControl | None = None
    transformations: Json | None = None

    @property
    def tokens(self) -> int:
        """What it costs: 4,784 patches of 28 pixels at most."""
        match self.source:
            case ImageBytes(media_type=media_type, data=data):
                return count_patches(measure(media_type, data), 28, 4_784)
            case _:
                return count_patches(MEGAPIXEL, 28, 4_784)
