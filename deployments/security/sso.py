"""One identity provider in one object: for programs of our own that are shown what it signed."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from config.document import Document
from config.explain import explain_all
from config.identity import provider_of, saml_of
from config.problems import ConfigErrors
from config.saml import KINDS
from config.security import SsoSettings
from deployments.security.bearer_tokens import BearerTokens, Entitlements
from deployments.security.discovery import Directory, client_for
from deployments.security.errors import TokenRefused
from deployments.security.principal import Principal
from deployments.security.rbac import Roles, load_roles
from deployments.security.saml.files import read_files
from deployments.security.saml.response import read_response
from deployments.security.tokens import TokenVerifier
from routing.clock import Clock, SystemClock
from routing.errors import AccessError


class SSOProvider:
    """Verifies a provider's access tokens, or its SAML responses.

    The arguments are the settings under `sso`, and mean the same. The service itself has all its
    providers in one verifier; this is the same verifier over one.

    ```python
    async with SSOProvider(
        provider="azure_ad", tenant_id="…", tenant="northwind", audiences=["api://supportmax"],
        roles=[{"claim": "roles", "equals": "Support.Agent", "role": "agent"}],
    ) as sso:
        principal = await sso.authenticate(token)
    ```
    """

    def __init__(
        self,
        provider: str,
        *,
        name: str | None = None,
        roles_of: Roles | None = None,
        clock: Clock | None = None,
        **settings: Any,
    ) -> None:
        """Read the settings.

        Raises:
            ConfigError: they are no settings of sign-on, would let in what must not be let in, or are
                not enough.
        """
        sso = _read({"provider": provider, **settings})
        called = name or provider.replace("_", "-")
        self._clock = clock or SystemClock()
        is_saml = sso.provider in KINDS
        self._saml = read_files(saml_of(called, sso), self._clock.now()) if is_saml else None
        every = () if self._saml is not None else (provider_of(called, sso),)
        self._http = client_for(every)
        self._directory = Directory(every, self._http, self._clock)
        vouching = every if self._saml is None else (self._saml.provider,)
        self._entitlements = Entitlements(vouching, (roles_of or load_roles()).grants)
        verifier = TokenVerifier(every, self._directory, self._clock)
        self._tokens = BearerTokens(verifier, self._entitlements)

    async def authenticate(self, token: str, request_id: str | None = None) -> Principal:
        """Who shows an access token, with tenant, roles and permissions.

        Of SAML the token is a response in base64, and `request_id` the ID of the request that it
        answers: whoever asked keeps it, and takes one answer to it.

        Raises:
            AccessError: it opens nothing.
            IdentityProviderUnavailable: the provider's keys cannot be read.
        """
        if self._saml is None:
            return await self._tokens.authenticate(token)
        if not request_id:
            raise AccessError("unauthenticated", "An answer nobody asked for opens nothing.")
        provider = self._saml.provider
        try:
            now = self._clock.now()
            expected = self._saml.expects(request_id, now)
            found = await asyncio.to_thread(read_response, token, expected, now)
            roles = self._entitlements.roles_in(provider, found.attributes)
        except TokenRefused as error:
            detail = f"The response is refused: {error.reason}."
            raise AccessError("unauthenticated", detail) from error
        return self._entitlements.principal(provider, f"{provider.name}:{found.name}", roles)

    async def aclose(self) -> None:
        """Close what is open to the provider."""
        await self._directory.aclose()
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Nothing is read before it is needed."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.aclose()


def _read(given: Mapping[str, Any]) -> SsoSettings:
    """The settings; what is wrong with them is said as of a file, and without what is secret in them."""
    try:
        return SsoSettings.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    for details in found:
        details["loc"] = ("sso", *details["loc"])
    raise ConfigErrors(explain_all(found, Document()))
