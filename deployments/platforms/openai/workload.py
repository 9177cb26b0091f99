"""OpenAI without a key: the workload's own token, exchanged by OpenAI's SDK."""

import asyncio
from collections.abc import Mapping
from typing import Any

from openai import OpenAIError
from openai.auth import (
    SubjectTokenProvider,
    WorkloadIdentity,
    WorkloadIdentityAuth,
    azure_managed_identity_token_provider,
    gcp_id_token_provider,
    k8s_service_account_token_provider,
)
from typing_extensions import override

from deployments.platforms.base import Connection
from deployments.platforms.exchanged import ExchangedToken, Grant, Subject
from deployments.platforms.openai.codec import OPENAI
from routing.errors import ConfigError


def exchanged_token(connection: Connection) -> ExchangedToken | None:
    """The token to ask for, or None where the configuration says `auth: key`.

    `Connection.options`: `identity_provider_id`, `service_account_id`, and `provider`, which
    is `kubernetes` (with a `token_file`), `azure` (`audience`, `client_id`) or `google`
    (`audience`).

    Raises:
        ConfigError: An identifier is missing, or the provider is unknown.
    """
    options = connection.options
    if options.get("auth") != "workload_identity":
        return None
    provider = _provider(options)
    subject = Subject(provider["get_token"])
    identity: WorkloadIdentity = {
        "identity_provider_id": _needed(options, "identity_provider_id"),
        "service_account_id": _needed(options, "service_account_id"),
        "provider": {"token_type": provider["token_type"], "get_token": subject},
    }

    async def exchange() -> Grant:
        # A new one each time: its cache would answer what has to be asked again. In a thread
        # like the SDK itself, which reads files and metadata servers without giving way.
        return await asyncio.to_thread(_Exchange(identity).grant)

    return ExchangedToken(OPENAI, subject, exchange, OpenAIError)


class _Exchange(WorkloadIdentityAuth):
    """One exchange, whose answer also says how long its token lives.

    The SDK keeps that to itself; with it, a renewal that fails costs nobody an answer.
    """

    def __init__(self, identity: WorkloadIdentity) -> None:
        super().__init__(workload_identity=identity)
        self._lives_s = 0.0

    def grant(self) -> Grant:
        """Exchange now; blocks."""
        return Grant(self.get_token(), self._lives_s)

    @override
    def _store_token(self, token_data: dict[str, Any]) -> None:
        super()._store_token(token_data)
        self._lives_s = token_data["expires_in"]


def _provider(options: Mapping[str, str]) -> SubjectTokenProvider:
    """The SDK's own way to the workload's token, with its defaults for what is not set."""
    match options.get("provider", "kubernetes"):
        case "kubernetes":
            return k8s_service_account_token_provider(*_given(options, "token_file"))
        case "azure":
            return azure_managed_identity_token_provider(
                *_given(options, "audience"), client_id=options.get("client_id")
            )
        case "google":
            return gcp_id_token_provider(*_given(options, "audience"))
        case other:
            message = f"{other!r} is not kubernetes, azure or google"
            raise ConfigError("platforms", None, f"{OPENAI}.workload_identity.provider", message)


def _given(options: Mapping[str, str], name: str) -> tuple[str, ...]:
    return (options[name],) if name in options else ()


def _needed(options: Mapping[str, str], name: str) -> str:
    value = options.get(name)
    if not value:
        key = f"{OPENAI}.workload_identity.{name}"
        raise ConfigError("platforms", None, key, "the exchange needs one")
    return value
