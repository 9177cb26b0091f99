"""Settings of Redis: where it is and how it is entered."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from config.values import Credential, Section, Text, Whole

_ADDRESS = "write an address like redis://redis.example.com:6379, or rediss:// for TLS"


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        raise ValueError(_ADDRESS) from None
    number = parts.path.strip("/")
    if parts.scheme not in {"redis", "rediss"} or not host or parts.query or parts.fragment:
        raise ValueError(_ADDRESS)
    if parts.username is not None or parts.password is not None:
        raise ValueError("leave user and password out of the address; use username and password")
    if number and not (number.isascii() and number.isdigit() and int(number) < 16):
        raise ValueError("behind the port stands the number of a database, 0 to 15, or nothing")
    return text


RedisAddress = Annotated[str, AfterValidator(_address)]


class RedisSettings(Section):
    """One Redis, or the nodes of a Redis Cluster of which one that answers is enough.

    With `rediss://` the connection is TLS and the server's name is checked, against the
    machine's authorities or those in `tls_ca_file`. `max_connections` are those of one process,
    to each node.
    """

    urls: tuple[RedisAddress, ...] = Field(
        min_length=1, max_length=50, examples=["[redis://redis.example.com:6379]"]
    )
    cluster: bool = Field(default=False, examples=["true"])
    username: Text | None = Field(default=None, examples=["supportmax"])
    password: Credential | None = Field(default=None, examples=["${REDIS_PASSWORD}"])
    tls_ca_file: Text | None = Field(default=None, examples=["/run/secrets/redis-ca.pem"])
    tls_cert_file: Text | None = Field(default=None, examples=["/run/secrets/redis.pem"])
    tls_key_file: Text | None = Field(default=None, examples=["/run/secrets/redis.key"])
    # 50 at a millisecond each are 50,000 operations a second, more than a replica has requests.
    max_connections: Whole = Field(default=50, ge=1, le=1_000, examples=[50])

    @model_validator(mode="after")
    def _one_or_many(self) -> "RedisSettings":
        if len(self.urls) > 1 and not self.cluster:
            raise ValueError(
                "several addresses are a cluster's; write cluster: true, or one address"
            )
        if len({urlsplit(url).scheme for url in self.urls}) > 1:
            raise ValueError("all addresses are redis://, or all are rediss://")
        if self.cluster and any(
            urlsplit(url).path.strip("/") not in {"", "0"} for url in self.urls
        ):
            raise ValueError("a cluster has one database; leave its number out")
        return self
