"""/auth: sign on and off in a browser, and what somebody may do."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from config.identity import CALLBACK
from deployments.ingress import auth_schema as schema
from deployments.ingress.auth_cookies import (
    ATTEMPT,
    FORM_ATTEMPT,
    SESSION,
    drop_cookie,
    keep,
    read_cookie,
    read_cookies,
)
from deployments.ingress.auth_forms import STATE_MAX, form_of, private, single, told, welcomed
from deployments.ingress.auth_password import (
    LOGIN_BYTES,
    LoginBody,
    PasswordRoute,
    login_body,
)
from deployments.ingress.authentication import Authentication
from deployments.ingress.parameters import text
from deployments.ingress.routes import ANYBODY, FORM, JSON, PUBLIC, Call, Operation, OwnBody, reply
from deployments.security.attempts import ATTEMPT_S, NEXT_MAX, Begun
from deployments.security.chosen_provider import chosen_provider
from deployments.security.errors import TokenRefused
from deployments.security.saml.sign_off import SamlSignOff
from deployments.security.saml.sign_on import SamlSignOn
from deployments.security.sign_on import CODE_MAX, SignOn
from routing.clock import rfc3339
from routing.errors import RequestError

_LOGIN = {
    "provider": text("Which one, where there are several", least=0),
    "next": text("A path here, for afterwards", NEXT_MAX, least=0),
}
# All of them together find room in the 15 KB that HAProxy takes of a request's line and headers.
_ANSWER = {
    name: told(f"As the provider sends it: {name}", most)
    for name, most in (
        ("state", STATE_MAX), ("code", CODE_MAX), ("iss", 512), ("error", 64), ("error_description", 2048),
        ("session_state", 512), ("error_uri", 512),
    )
}  # fmt: skip
_AWAY = {"503": "The identity provider cannot be reached"}
_PASSWORD = {
    "401": "Not this name with this password",
    "403": "Not from a page of ours",
    "429": "Too many tries, or too many people at once",
}


class SsoRoutes:
    """The routes of sign-on."""

    def __init__(
        self,
        sign_on: SignOn,
        saml: SamlSignOn,
        saml_sign_off: SamlSignOff,
        passwords: PasswordRoute,
        authentication: Authentication,
    ) -> None:
        self._sign_on = sign_on
        self._saml = saml
        self._saml_sign_off = saml_sign_off
        self._passwords = passwords
        self._authentication = authentication

    def operations(self) -> list[Operation]:
        """The rows of the table."""
        login, refused = "/auth/sso/login", {"401": "Begin again", **_AWAY}
        return [
            Operation(
                "POST", login,
                "Begin to sign on; `provider` and `next` as JSON or in the query, a directory's "
                "`username` and `password` as JSON; the answer says where the browser goes",
                PUBLIC, "admin", "action", self.begin, schema.Redirect, query=_LOGIN,
                further={**_AWAY, **_PASSWORD},
                own_body=OwnBody(LoginBody, JSON, required=False, max_bytes=LOGIN_BYTES),
            ),
            Operation(
                "GET", login, "Begin to sign on, and go there",
                PUBLIC, "admin", "action", self.go, None, query=_LOGIN,
                further={"302": "To the identity provider", **_AWAY}, in_browser=True,
            ),
            *(
                Operation(
                    "GET", path, "Come back from the identity provider",
                    PUBLIC, "admin", "action", self.come_back, None, query=_ANSWER,
                    further={"303": "Signed on", **refused}, in_browser=True,
                )
                for path in (CALLBACK, f"{CALLBACK}/{{provider}}")
            ),
            Operation(
                "POST", "/auth/sso/logout", "End this session; the answer says where to end the provider's",
                ANYBODY, "admin", "action", self.leave, schema.Redirect,
            ),
            Operation(
                "POST", "/auth/sso/backchannel-logout", "An identity provider ends sessions",
                PUBLIC, "admin", "action", self.signed_off, schema.SignedOff,
                further={"400": "Not a logout token for us", **_AWAY},
                own_body=OwnBody(schema.LogoutForm, FORM),
            ),
            Operation(
                "GET", "/auth/user/permissions", "Who is calling, and what they may do",
                ANYBODY, "read", "access", self.permissions, schema.Permissions,
            ),
        ]  # fmt: skip

    async def begin(self, call: Call) -> Response:
        """POST /auth/sso/login."""
        said, body = single(call.request), await login_body(call.request)
        if body is None:
            begun = await self._begin(call.request, said.get("provider"), said.get("next"))
            return _remembering(reply({"redirect": begun.redirect}), begun)
        if said:
            message = "Say it in the body or in the query, not in both."
            raise RequestError("invalid_request", message)
        if body.provider is not None and body.username is not None and body.password is not None:
            password, going = body.password.get_secret_value(), body.next or "/"
            return await self._passwords.sign_on(
                call.request, body.provider, body.username, password, going
            )
        begun = await self._begin(call.request, body.provider, body.next)
        return _remembering(reply({"redirect": begun.redirect}), begun)

    async def go(self, call: Call) -> Response:
        """GET /auth/sso/login."""
        said = single(call.request)
        begun = await self._begin(call.request, said.get("provider"), said.get("next"))
        return _remembering(RedirectResponse(begun.redirect, 302), begun)

    async def come_back(self, call: Call) -> Response:
        """GET /auth/sso/callback."""
        request = call.request
        finished = await self._sign_on.finish(
            request.url.path,
            single(request),
            read_cookies(request, ATTEMPT),
            read_cookie(request, SESSION),
        )
        return welcomed(finished)

    async def leave(self, call: Call) -> Response:
        """POST /auth/sso/logout. Who came by a key or a token has no session to end."""
        session = await self._authentication.session(call.request)
        secret = read_cookie(call.request, SESSION)
        if session is None or secret is None:
            return reply({"redirect": None})
        provider = session.row.provider
        desk = self._saml_sign_off if provider in self._saml.names else self._sign_on
        response = reply({"redirect": await desk.sign_off(secret, provider)})
        drop_cookie(response, SESSION)
        return private(response)

    async def signed_off(self, call: Call) -> Response:
        """POST /auth/sso/backchannel-logout."""
        text = (await form_of(call.request)).get("logout_token", "")
        try:
            ended = await self._sign_on.signed_off(text)
        except TokenRefused as error:
            detail = f"The logout token is refused: {error.reason}."
            raise RequestError("invalid_token", detail) from error
        return private(reply({"ended": ended}))

    async def permissions(self, call: Call) -> Response:
        """GET /auth/user/permissions."""
        who = call.principal
        session = await self._authentication.session(call.request)
        return private(
            reply(
                {
                    "tenant": who.tenant,
                    "subject": who.subject,
                    "roles": sorted(who.roles),
                    "permissions": sorted(who.permissions),
                    "csrf_token": None if session is None else session.csrf,
                    "expires_at": None if session is None else rfc3339(session.row.expires_at),
                }
            )
        )

    async def _begin(self, request: Request, provider: str | None, going: str | None) -> Begun:
        browsers = self._saml.names | self._sign_on.names
        name = chosen_provider(provider, browsers, self._passwords.names)
        if name in self._saml.names:
            return self._saml.begin(name, going, read_cookies(request, FORM_ATTEMPT))
        return await self._sign_on.begin(name, going, read_cookies(request, ATTEMPT))


def _remembering(response: Response, begun: Begun) -> Response:
    keep(response, begun.kept, ATTEMPT_S, with_forms=begun.posts_back)
    return private(response)
