"""Settings of the database: a file of this machine, or a region's PostgreSQL."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from config.values import Section, Text

_FORM = "write postgresql://user@host:5432/name, or sqlite:////path/of/a/file"


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        has_password, _port = parts.password is not None, parts.port
    except ValueError:
        raise ValueError(f"is not a URL; {_FORM}") from None
    if has_password:
        # It would be in every print of the address, and in the options of Ray's processes.
        raise ValueError("leave the password out of the url; database.password is the place for it")
    if parts.scheme not in {"postgresql", "sqlite"}:
        raise ValueError(f"{parts.scheme or 'no scheme'} is written; {_FORM}")
    if parts.scheme == "postgresql" and not (parts.username and parts.path.strip("/")):
        raise ValueError(f"names no user or no database; {_FORM}")
    return text


class DatabaseSettings(Section):
    """Where the rows are; without `url` in a file of the data directory.

    A file serves one machine: more nodes need PostgreSQL. `password` is read at every connection, so
    one in a file may be changed while SupportMax runs. With `tls: verify` the server's
    certificate has to be its host's, signed by `ca_file` or by whom the machine trusts.
    """

    url: Annotated[Text, AfterValidator(_address)] | None = Field(
        default=None, examples=["postgresql://supportmax@db.example.com:5432/supportmax"]
    )
    password: SecretStr | None = Field(default=None, examples=["${SUPPORTMAX_DATABASE_PASSWORD}"])
    tls: Literal["verify", "off"] = Field(default="verify", examples=["verify"])
    ca_file: Text | None = Field(default=None, examples=["/etc/ssl/certs/rds.pem"])

    @model_validator(mode="after")
    def _is_of_a_server(self) -> "DatabaseSettings":
        is_server = self.url is not None and self.url.startswith("postgresql:")
        if self.password is not None and not is_server:
            raise ValueError(f"a password is for a server; {_FORM}")
        return self
