"""Signing on by OpenID Connect: the authorization code flow with PKCE, and both ways of signing off.

What a browser brings back counts only together with the attempt it belongs to, which is sealed into a
cookie of that browser, and lets somebody in once.
"""

import logging
from collections.abc import Iterable, Mapping
from urllib.parse import urlencode, urlsplit

import httpx2
from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]
from authlib.integrations.httpx_client import (  # type: ignore[import-untyped]
    AsyncOAuth2Client,
)

from actors.database.logouts import Logout
from actors.database.sessions import SessionStore
from config.identity import IdentityProvider
from deployments.security.attempts import LOGOUT_HELD_S, Attempts, Begun, Finished, again, fresh
from deployments.security.bearer_tokens import Entitlements
from deployments.security.compact import take_apart
from deployments.security.discovery import Addresses, Directory
from deployments.security.errors import IdentityProviderUnavailable, TokenRefused
from deployments.security.id_tokens import (
    LOGOUT_LIFE_S,
    SignedOn,
    read_id_token,
    read_logout_token,
)
from deployments.security.principal import Principal
from deployments.security.sessions import Sessions
from deployments.security.trail import Trail
from routing.clock import Clock
from routing.errors import AccessError

_log = logging.getLogger(__name__)

# RFC 6749 bounds neither; providers' codes have up to 2 KB.
CODE_MAX = 4096
"""Characters of what a provider gives for a sign-on."""
# RFC 6749, 4.1.2.1 and OpenID Connect Core 3.1.2.6: people are shown these words and no others, since
# whoever makes the address up may write what they like there.
_ERRORS = frozenset({
    "invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type", "invalid_scope",
    "server_error", "temporarily_unavailable", "interaction_required", "login_required",
    "account_selection_required", "consent_required", "invalid_request_uri", "invalid_request_object",
    "request_not_supported", "request_uri_not_supported", "registration_not_supported",
})  # fmt: skip
# RFC 6749, 5.2: why a code is not exchanged. What else a provider says there is its own free text.
_REFUSALS = frozenset({
    "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
    "invalid_scope",
})  # fmt: skip


class SignOn:
    """Every provider's sign-on."""

    def __init__(
        self,
        providers: Iterable[IdentityProvider],
        directory: Directory,
        transport: httpx2.AsyncBaseTransport,
        entitlements: Entitlements,
        attempts: Attempts,
        sessions: Sessions,
        store: SessionStore,
        clock: Clock,
        trail: Trail,
        asks_after_s: float | None = None,
    ) -> None:
        """Providers ask anew who signed on with them longer ago than `asks_after_s`; None is as they like."""
        self._providers = {each.name: each for each in providers if each.signs_on}
        self._directory = directory
        self._transport = transport
        self._entitlements = entitlements
        self._attempts = attempts
        self._sessions = sessions
        self._store = store
        self._clock = clock
        self._trail = trail
        # Core 3.1.2.1: a provider that is told this has to say `auth_time`. On its way it passes the
        # browser, which may leave it out: a sign-on without that time is of an unknown one then.
        self._asked = {} if asks_after_s is None else {"max_age": str(int(asks_after_s))}

    @property
    def names(self) -> frozenset[str]:
        """The providers there are."""
        return frozenset(self._providers)

    async def begin(self, name: str, wanted: str | None, held: Mapping[str, str]) -> Begun:
        """Begin an attempt with a provider there is, beside those whose cookies the browser holds.

        Raises:
            RequestError: `wanted` leads elsewhere.
            IdentityProviderUnavailable: where to send the browser is not known just now.
        """
        provider = self._providers[name]
        addresses = await self._directory.addresses(provider)
        if addresses.authorization is None or addresses.token is None:
            raise IdentityProviderUnavailable(provider.name, f"{provider.name} offers no sign-on")
        nonce, verifier = fresh(), fresh()
        state, kept = self._attempts.begin(provider.name, wanted or "/", held, nonce, verifier)
        client = self._client(provider)
        url, _ = client.create_authorization_url(
            addresses.authorization,
            state=state,
            code_verifier=verifier,
            nonce=nonce,
            **self._asked,
        )
        return Begun(str(url), kept)

    async def finish(
        self,
        callback: str,
        answer: Mapping[str, str],
        held: Mapping[str, str],
        previous: str | None,
    ) -> Finished:
        """What comes of an attempt: a new session, whatever session there was before.

        `callback` is the path the browser came back to, `answer` what it brought, and `held` the
        cookies of its attempts. One that came to nothing, the provider being away, may come again.

        Raises:
            AccessError: somebody else's attempt, a used one, or not what the provider says, or it has
                signed them off since the attempt began.
            IdentityProviderUnavailable: the provider cannot be asked.
        """
        try:
            attempt = await self._attempts.open(answer.get("state", ""), held)
        except AccessError as error:
            if "error" not in answer:
                raise
            # Some send people back without the state they came with, and whatever it was is then the reason.
            detail = f"{error.detail} The identity provider said: {_said(answer)}."
            raise AccessError("unauthenticated", detail) from error
        provider = self._providers.get(attempt.provider)
        if provider is None or provider.callback != callback:
            raise again("it came back by another provider's address")
        addresses = await self._directory.addresses(provider)
        _check_sender(answer.get("iss"), provider, addresses)
        if "error" in answer:
            detail = f"{provider.name} did not sign you on: {_said(answer)}."
            raise AccessError("unauthenticated", detail)
        id_token, access_token = await self._exchange(provider, addresses, answer, attempt.verifier)
        try:
            found = await read_id_token(
                id_token, provider, self._directory, attempt.nonce, access_token, self._clock.now()
            )
            told = await self._told(provider, addresses, found, access_token)
            roles = self._entitlements.roles_in(provider, told)
        except TokenRefused as error:
            self._trail.sign_on_refused(provider.tenant, provider.name, error.reason)
            detail = f"What {provider.name} says is refused: {error.reason}."
            raise AccessError("unauthenticated", detail) from error
        await self._attempts.use_up(attempt.state, attempt.expires_at)
        secret = await self._sessions.open(
            provider.tenant,
            found.subject,
            provider.name,
            roles,
            found.session,
            id_token,
            signed_on_at=found.at,
            # An ID token is made when its code is exchanged, which says nothing of when that was given.
            vouched_at=attempt.begun_at,
        )
        if previous:
            await self._sessions.end(previous)
        return Finished(secret, attempt.next, (self._attempts.name_of(attempt.state),))

    async def sign_off(self, secret: str, provider_name: str) -> str | None:
        """End the session here, and say where the provider ends its own, if it can."""
        id_token = await self._sessions.end(secret)
        provider = self._providers.get(provider_name)
        if provider is None:
            return None
        try:
            addresses = await self._directory.addresses(provider)
        except IdentityProviderUnavailable:
            return None  # Here it is over in any case.
        if addresses.end_session is None:
            return None
        asked = {
            "client_id": provider.client_id,
            "post_logout_redirect_uri": f"{provider.public_url}/",
            **({} if id_token is None else {"id_token_hint": id_token}),
        }
        mark = "&" if urlsplit(addresses.end_session).query else "?"
        return f"{addresses.end_session}{mark}{urlencode(asked)}"

    async def signed_off(self, text: str) -> int:
        """Believe a provider that somebody left; how many sessions ended.

        Raises:
            TokenRefused: nobody who may say so said it, or it was said before.
            IdentityProviderUnavailable: the provider's keys cannot be read.
        """
        issuer = take_apart(text).claims.get("iss")
        provider = next((p for p in self._providers.values() if p.issuer == issuer), None)
        if provider is None:
            raise TokenRefused("issuer")
        now = self._clock.now()
        told = await read_logout_token(text, provider, self._directory, now)
        logout = Logout(
            provider.name,
            told.token_id,
            now + 2 * LOGOUT_LIFE_S,
            provider.tenant,
            told.subject and self._sessions.named(provider.tenant, told.subject),
            told.session,
            now,
            now + LOGOUT_HELD_S,
            as_said=told.subject,
        )
        ended = await self._store.end_by_provider(logout, now)
        if ended is None:
            raise TokenRefused("used before")
        self._sessions.forget()
        for row in ended:
            who = Principal(row.tenant, row.subject, row.roles)
            self._trail.signed_off(who, row.provider, reason="by_provider")
        return len(ended)

    async def _exchange(
        self,
        provider: IdentityProvider,
        addresses: Addresses,
        answer: Mapping[str, str],
        verifier: str,
    ) -> tuple[str, str | None]:
        """The code for an ID token, and the access token beside it."""
        code = answer.get("code", "")
        if not 0 < len(code) <= CODE_MAX:
            raise again("the provider sent no code")
        # The connections are shared, so the client is not closed: that would close them for all.
        client = self._client(provider)
        try:
            token = await client.fetch_token(
                addresses.token, grant_type="authorization_code", code=code, code_verifier=verifier
            )
        except AuthlibBaseError as error:
            self._note_refusal(provider, error.error)
            raise again(f"{provider.name} refuses the code") from error
        except (httpx2.HTTPError, ValueError, TypeError, RecursionError) as error:
            # The last is what ten thousand brackets make of a reader of JSON.
            detail = f"{provider.name} did not take the code: {type(error).__name__}"
            raise IdentityProviderUnavailable(provider.name, detail) from error
        id_token, access_token = token.get("id_token"), token.get("access_token")
        if not isinstance(id_token, str):
            raise again(f"{provider.name} sent no ID token")
        return id_token, access_token if isinstance(access_token, str) else None

    def _note_refusal(self, provider: IdentityProvider, said: object) -> None:
        """Put on record that a code was refused; who signs on can do nothing about most reasons."""
        reason = said if isinstance(said, str) and said in _REFUSALS else "code_refused"
        self._trail.sign_on_refused(provider.tenant, provider.name, reason)
        if reason == "invalid_client":
            message = (
                "nobody signs on by %s: it does not take our client_id with this client_secret"
            )
            _log.error(message, provider.name)

    async def _told(
        self,
        provider: IdentityProvider,
        addresses: Addresses,
        found: SignedOn,
        access_token: str | None,
    ) -> Mapping[str, object]:
        """The claims that roles come from: the ID token's, and of others what that leaves open.

        Raises:
            TokenRefused: the provider speaks of somebody else.
            IdentityProviderUnavailable: it does not answer.
        """
        missing = {rule.claim for rule in provider.roles} - found.claims.keys()
        if not (provider.asks_userinfo and missing and addresses.userinfo and access_token):
            return found.claims
        info = await self._directory.userinfo(provider, addresses.userinfo, access_token)
        # Core 5.3.2: an access token could have been swapped for somebody else's.
        if info.get("sub") != found.claims.get("sub") or not isinstance(info.get("sub"), str):
            raise TokenRefused("userinfo of somebody else")
        return {**{name: info[name] for name in missing if name in info}, **found.claims}

    def _client(self, provider: IdentityProvider) -> AsyncOAuth2Client:
        secret = provider.client_secret
        return AsyncOAuth2Client(
            client_id=provider.client_id,
            client_secret=None if secret is None else secret.get_secret_value(),
            scope=provider.scope,
            redirect_uri=f"{provider.public_url}{provider.callback}",
            code_challenge_method="S256",
            transport=self._transport,
            trust_env=False,
            follow_redirects=False,
        )


def _said(answer: Mapping[str, str]) -> str:
    """Why a provider signed nobody on."""
    said = answer["error"]
    return said if said in _ERRORS else "an error"


def _check_sender(said: str | None, provider: IdentityProvider, addresses: Addresses) -> None:
    """RFC 9207: the answer is of the provider we asked, and says so where that one always does."""
    if said is None and not addresses.names_itself:
        return
    if said != provider.issuer:
        raise again("another provider answered")
