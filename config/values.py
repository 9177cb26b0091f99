"""Building blocks of the settings: the frozen base, and types that say what they expect."""

import re
from ipaddress import ip_network
from pathlib import PurePosixPath
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_core import PydanticCustomError

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")
_ADDRESS = "write an address with its scheme, like https://gateway.example.com/v1"


class Section(BaseModel):
    """One block of the configuration: frozen, and unknown keys are errors."""

    # hide_input: pydantic prints what it was given, and that may be a secret.
    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )


def _not_a_switch(value: object) -> object:
    # True is an int to Python: `port: true` would become port 1.
    if isinstance(value, bool):
        raise PydanticCustomError("number_type", "a number belongs here")
    return value


def _sendable(secret: SecretStr) -> SecretStr:
    # A credential travels in an HTTP header: a line end or an umlaut in it fails on the
    # first call, as an error that does not name the configuration.
    text = secret.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(
            "a credential is printable ASCII without white space; "
            "look for a line end or a quotation mark that was copied along"
        )
    return secret


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        raise ValueError(_ADDRESS) from None
    if parts.scheme not in {"http", "https"} or not host or not text.isprintable() or " " in text:
        raise ValueError(_ADDRESS)
    if parts.username is not None or parts.password is not None:
        raise ValueError("leave user and password out of the address; use api_key")
    return text.rstrip("/")


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("write a host alone, like northwind.okta.com, without https:// or a slash")
    return text


def _absolute(text: str) -> str:
    if not PurePosixPath(text).is_absolute():
        raise ValueError("write the whole path, from / on")
    return text


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError:
        raise ValueError("write a network like 10.0.0.0/8, with no bits beside its mask") from None
    return text


Whole = Annotated[int, BeforeValidator(_not_a_switch)]
"""A whole number; the text of one is taken too, because variables are text."""

Number = Annotated[float, BeforeValidator(_not_a_switch)]
"""A finite number, or the text of one."""

Text = Annotated[str, Field(min_length=1, max_length=1000)]
"""Some text, not none."""

AbsolutePath = Annotated[Text, AfterValidator(_absolute)]
"""A path from the root on: a replica's working directory is Ray's choice."""

Credential = Annotated[SecretStr, AfterValidator(_sendable)]
"""A key or secret: hidden in every print, dump and error."""

WebAddress = Annotated[str, AfterValidator(_web_address)]
"""An http or https address without a trailing slash."""

Host = Annotated[str, Field(max_length=253), AfterValidator(_host)]
"""A host's name, with its port where that is not the usual one."""

Cidr = Annotated[str, AfterValidator(_network)]
"""A network by its address and the length of its mask."""
