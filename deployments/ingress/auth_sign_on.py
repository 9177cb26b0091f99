"""Every way for people to sign on, composed: OpenID Connect, SAML, and directories."""

from urllib.parse import urlsplit

import httpx2

from actors.database.engine import Database
from actors.database.password_tries import PasswordTries
from actors.database.sessions import SessionStore
from actors.database.sign_ons import SignOns
from config.identity import Identities
from deployments.ingress.auth_cookies import ATTEMPT, FORM_ATTEMPT
from deployments.ingress.auth_password import PasswordRoute
from deployments.ingress.auth_saml import SamlRoutes
from deployments.ingress.auth_sso import SsoRoutes
from deployments.ingress.authentication import Authentication
from deployments.ingress.routes import Operation
from deployments.security.attempts import Attempts
from deployments.security.bearer_tokens import Entitlements
from deployments.security.discovery import Directory
from deployments.security.password_directory import open_directories
from deployments.security.passwords import PasswordSignOn
from deployments.security.saml.files import read_all
from deployments.security.saml.sign_off import SamlSignOff
from deployments.security.saml.sign_on import SamlSignOn
from deployments.security.seals import Seals, derived
from deployments.security.sessions import Sessions
from deployments.security.sign_on import SignOn
from deployments.security.trail import Trail
from routing.clock import Clock


class SignOnDesk:
    """Signs people on and off. `peppers` are what its keys come from, the one in force first."""

    def __init__(
        self,
        identities: Identities,
        directory: Directory,
        transport: httpx2.AsyncBaseTransport,
        entitlements: Entitlements,
        sessions: Sessions,
        database: Database,
        peppers: list[bytes],
        clock: Clock,
        trail: Trail,
        asks_after_s: float | None,
    ) -> None:
        """Compose. Where something is for who signed on in the last `asks_after_s`, providers ask anew.

        Raises:
            ConfigError: a provider's files cannot be read, or hold what must not count.
        """
        rows, store = SignOns(database), SessionStore(database)
        seals = Seals(peppers, "attempts to sign on")
        known = read_all(identities.saml, clock.now())
        self._sign_on = SignOn(
            identities.providers,
            directory,
            transport,
            entitlements,
            Attempts(rows, seals, clock, ATTEMPT),
            sessions,
            store,
            clock,
            trail,
            asks_after_s,
        )
        by_form = Attempts(rows, seals, clock, FORM_ATTEMPT)
        asks = asks_after_s is not None
        self._saml = SamlSignOn(
            known, entitlements, by_form, seals, sessions, clock, trail, asks_anew=asks
        )
        mark = derived(peppers[0], "logout requests")
        self._saml_sign_off = SamlSignOff(known, sessions, store, mark, clock, trail)
        self._known = known
        self._passwords = PasswordSignOn(
            identities.directories,
            open_directories(identities.directories),
            entitlements,
            sessions,
            PasswordTries(database),
            derived(peppers[0], "tries of passwords"),
            clock,
            trail,
        )
        addresses = [each.public_url for each in identities.providers if each.signs_on]
        addresses += [each.public_url for each in identities.saml]
        addresses += [each.public_url for each in identities.directories]
        self.origins = frozenset(_origin(each) for each in addresses if each)
        """Where our own pages are; requests by cookie come from nowhere else."""

    def operations(self, authentication: Authentication) -> list[Operation]:
        """The rows of the table."""
        passwords = PasswordRoute(self._passwords, authentication)
        sso = SsoRoutes(self._sign_on, self._saml, self._saml_sign_off, passwords, authentication)
        saml = SamlRoutes(self._known, self._saml, self._saml_sign_off)
        return [*sso.operations(), *saml.operations()]

    def close(self) -> None:
        """Ask no directory any more."""
        self._passwords.close()


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
