"""Settings of personal data: whether it is sealed before it leaves, and which kinds."""

from typing import Annotated, Literal, Self, TypeAlias, get_args

from pydantic import Field, model_validator

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
"""Kinds of personal data. `address` and `account` are those of the customer's own record, and so is
`name`, unless `names` finds those of others."""

KINDS: tuple[Kind, ...] = get_args(Kind)


PIPELINES_MAX = 8
"""Languages of one company's customers; each pipeline takes 100 to 700 MB of memory."""


class NamesSettings(Section):
    """Names of people in prose, found by Presidio in spaCy pipelines that you installed.

    A pipeline is the path of a folder, or a package that is installed. Each text is read by the
    pipeline of its language, told by its commonest words, or by all where that is not clear. It
    needs the extra `names` (docs/privacy.md says how it is installed); nothing is ever downloaded.
    """

    pipelines: tuple[Annotated[str, Field(min_length=1, max_length=4096)], ...] = Field(
        min_length=1, max_length=PIPELINES_MAX, examples=["[/models/en_core_web_md]"]
    )


class PrivacySettings(Section):
    """What platforms, embeddings and logs are told of people.

    With `pii: seal` personal data is replaced by tokens before it leaves and put back into the
    answer; with `off` it leaves as it is.
    """

    pii: Literal["seal", "off"] = Field(default="seal", examples=["seal"])
    kinds: tuple[Kind, ...] = Field(default=KINDS, min_length=1, examples=["[email, phone, card]"])
    # Whose telephone numbers are known without a country code.
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = Field(default="US", examples=["DE"])
    names: NamesSettings | None = Field(
        default=None, examples=["{pipelines: [/models/en_core_web_md]}"]
    )

    @model_validator(mode="after")
    def _names_are_sealed(self) -> Self:
        if self.names is not None and "name" not in self.kinds:
            raise ValueError(
                "names are to be found, and kinds leaves them: add name, or drop names"
            )
        return self
