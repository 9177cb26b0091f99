"""Reading images out of a vendor's body: bytes in base64, or an address that we never visit.

What no platform would take is refused here, before anybody is asked: another scheme than
https, a file that is not what it says, too much of it.
"""

import binascii
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import get_args
from urllib.parse import urlsplit

from deployments.ingress.vendor_errors import invalid
from routing.message import MAX_IMAGE_LENGTH, Image, ImageType

# Longer than any address in use; one of them must not be a way around the bound on images.
URL_MAX = 8_192
_TYPES: Mapping[str, ImageType] = {kind: kind for kind in get_args(ImageType)}
_SUFFIXES: Mapping[str, ImageType] = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
_TAKEN = "png, jpeg, gif and webp are taken"


def from_address(address: str, where: str) -> Image:
    """The image at an https address, or in a `data:` URL.

    Raises:
        RequestError: it is neither, or no image that platforms take.
    """
    if address[:5].lower() == "data:":
        head, _, data = address[5:].partition(",")
        media_type, _, encoding = head.lower().partition(";")
        if encoding != "base64":
            raise invalid(where, "a data: URL of an image must be in base64")
        return from_base64(media_type, data, where)
    if len(address) > URL_MAX:
        raise invalid(where, f"an address of at most {URL_MAX} characters")
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        raise invalid(where, "not an address") from None
    if parts.scheme != "https" or not host:
        raise invalid(where, "an https address or a data: URL; the platform fetches it, not we")
    if "@" in parts.netloc:
        raise invalid(where, "an address without credentials, which platforms would be shown")
    return Image(_SUFFIXES.get(PurePosixPath(parts.path).suffix.lower()), url=address)


def from_base64(media_type: str, data: str, where: str) -> Image:
    """The image whose bytes are `data`.

    Raises:
        RequestError: it is too large, not base64, or not of that type.
    """
    kind = _TYPES.get(media_type)
    if kind is None:
        raise invalid(where, f"{media_type or 'no media type'}: {_TAKEN}")
    if len(data) > MAX_IMAGE_LENGTH:
        raise invalid(where, f"an image of at most {MAX_IMAGE_LENGTH} characters of base64")
    try:
        # Measured at 12 ms for 5 MB: short enough for the event loop.
        raw = binascii.a2b_base64(data, strict_mode=True)
    except (binascii.Error, ValueError):
        raise invalid(where, "not base64") from None
    if _type_of(raw) != kind:
        raise invalid(where, f"the bytes are not {kind}; {_TAKEN}")
    return Image(kind, data=data)


def _type_of(raw: bytes) -> ImageType | None:
    """What the first bytes say it is."""
    if raw.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if raw.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if raw.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP" else None
