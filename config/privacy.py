"""Settings of personal data: whether it is sealed before it leaves, and which kinds."""

from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import Field

from config.values import Section

Kind: TypeAlias = Literal[
    "card",
    "iban",
    "national_id",
    "email",
    "phone",
    "ip",
    "secret",
    "name",
    "address",
    "account",
]
"""Kinds of personal data. `name`, `address` and `account` are those of the customer's own record."""

KINDS: tuple[Kind, ...] = get_args(Kind)


class PrivacySettings(Section):
    """What platforms, embeddings and logs are told of people.

    With `pii: seal` personal data is replaced by tokens before it leaves and put back into the
    answer; with `off` it leaves as it is.
    """

    pii: Literal["seal", "off"] = Field(default="seal", examples=["seal"])
    kinds: tuple[Kind, ...] = Field(default=KINDS, min_length=1, examples=["[email, phone, card]"])
    # Whose telephone numbers are known without a country code.
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = Field(default="US", examples=["DE"])
