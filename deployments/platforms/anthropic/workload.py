"""Anthropic without a key: a projected token, exchanged by Anthropic's SDK."""

import asyncio

import httpx2
from anthropic import AnthropicError
from anthropic.lib.credentials import IdentityTokenFile, WorkloadIdentityCredentials

from deployments.platforms.anthropic.codec import ANTHROPIC
from deployments.platforms.base import Connection
from deployments.platforms.exchanged import EXCHANGE_S, ExchangedToken, Grant, Subject
from routing.clock import SystemClock
from routing.errors import ConfigError


def exchanged_token(connection: Connection, base_url: str) -> ExchangedToken | None:
    """The token to ask for at `base_url`, or None where the configuration says `auth: key`.

    `Connection.options`: `token_file`, `federation_rule_id`, `organization_id`, and where the
    rule leaves a choice `service_account_id` and `workspace_id`.

    Raises:
        ConfigError: An option is missing.
    """
    options = connection.options
    if options.get("auth") != "workload_identity":
        return None
    for name in ("token_file", "federation_rule_id", "organization_id"):
        if not options.get(name):
            key = f"{ANTHROPIC}.workload_identity.{name}"
            raise ConfigError("platforms", None, key, "the exchange needs one")
    subject = Subject(IdentityTokenFile(options["token_file"]))
    clock = SystemClock()

    def exchange() -> Grant:
        # The SDK's own client waits 30 s.
        with httpx2.Client(timeout=EXCHANGE_S) as client:
            credentials = WorkloadIdentityCredentials(
                identity_token_provider=subject,
                federation_rule_id=options["federation_rule_id"],
                organization_id=options["organization_id"],
                service_account_id=options.get("service_account_id"),
                workspace_id=options.get("workspace_id"),
                http_client=client,
            )
            credentials.bind_base_url(base_url)
            given = credentials()
        # An exchange always says when its token ends, in seconds of the wall clock.
        return Grant(given.token, (given.expires_at or 0) - clock.now())

    async def in_thread() -> Grant:
        # The SDK reads the file and waits for the vendor without giving way.
        return await asyncio.to_thread(exchange)

    return ExchangedToken(ANTHROPIC, subject, in_thread, AnthropicError)
