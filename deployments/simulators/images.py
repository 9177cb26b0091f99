"""Images as vendors take them: whether one is what it says, and about how many tokens it is.

Nobody looks at it: a simulator's answer comes from the passages. Its size is read from the
head of a PNG alone; everything else counts as a picture of a megapixel.
"""

import base64
import binascii
from typing import Literal
from urllib.parse import urlsplit

Kind = Literal["image/png", "image/jpeg", "image/gif", "image/webp"]

MEGAPIXEL = (1_024, 1_024)
_HEADS: dict[bytes, Kind] = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}


class BadImageError(Exception):
    """It is no image, or not the one it says; the words are for the vendor's error."""


def measure(media_type: str, data: str) -> tuple[int, int]:
    """Return width and height of an image in base64.

    Raises:
        BadImageError: It is not base64, or another kind of image, or none.
    """
    try:
        raw = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise BadImageError("invalid base64 data") from error
    kind = next((kind for head, kind in _HEADS.items() if raw.startswith(head)), None)
    if kind is None:
        raise BadImageError("Could not process image")
    if kind != media_type:
        raise BadImageError(
            f"The image was specified using the {media_type} media type, but the image appears "
            f"to be a {kind} image"
        )
    if kind != "image/png" or len(raw) < 24:
        return MEGAPIXEL
    return int.from_bytes(raw[16:20]), int.from_bytes(raw[20:24])


def split_data_url(address: str) -> tuple[str, str] | None:
    """Return media type and base64 of a `data:` URL, or None for any other address."""
    if not address.startswith("data:"):
        return None
    head, _, data = address.removeprefix("data:").partition(",")
    return head.removesuffix(";base64"), data


def is_web_address(address: str) -> bool:
    """Whether a vendor could fetch it."""
    parts = urlsplit(address)
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def count_patches(size: tuple[int, int], edge: int, most: int) -> int:
    """Return the squares of `edge` pixels an image is cut into, after it was made to fit `most`."""
    width, height = size
    return min(-(-width // edge) * -(-height // edge), most)
