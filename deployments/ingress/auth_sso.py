"""/auth: sign on and off in a browser, and what somebody may do."""

from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from config.identity import CALLBACK
from config.saml import PATH
from deployments.ingress import auth_schema as schema
from deployments.ingress.auth_cookies import (
    BROWSER,
    FORM_BROWSER,
    SESSION,
    drop_cookie,
    read_cookie,
    set_cookie,
)
from deployments.ingress.authentication import Authentication
from deployments.ingress.routes import ANYBODY, PUBLIC, Call, Operation, reply
from deployments.security.attempts import ATTEMPT_S, Begun
from deployments.security.errors import TokenRefused
from deployments.security.saml.sign_on import SamlSignOn
from deployments.security.sign_on import SignOn
from routing.clock import rfc3339
from routing.errors import RequestError

_LOGIN = {"provider": "Which one, where there are several", "next": "A path here, for afterwards"}
_ANSWER = {
    name: f"As the provider sends it: {name}"
    for name in ("state", "code", "iss", "error", "error_description", "session_state", "error_uri")
}
_AWAY = {"503": "The identity provider cannot be reached"}
# RFC 6749 bounds none of them; a code has up to 2 KB, an explanation a few lines.
_VALUE_MAX = 4096
_FIELDS_MAX = 10


class SsoRoutes:
    """The routes of sign-on."""

    def __init__(self, sign_on: SignOn, saml: SamlSignOn, authentication: Authentication) -> None:
        self._sign_on = sign_on
        self._saml = saml
        self._authentication = authentication

    def operations(self) -> list[Operation]:
        """The rows of the table."""
        login, refused = "/auth/sso/login", {"401": "Begin again", **_AWAY}
        return [
            Operation(
                "POST", login, "Begin to sign on; the answer says where the browser goes",
                PUBLIC, "admin", "action", self.begin, schema.Redirect, query=_LOGIN, further=_AWAY,
            ),
            Operation(
                "GET", login, "Begin to sign on, and go there",
                PUBLIC, "admin", "action", self.go, None, query=_LOGIN,
                further={"302": "To the identity provider", **_AWAY},
            ),
            *(
                Operation(
                    "GET", path, "Come back from the identity provider",
                    PUBLIC, "admin", "action", self.come_back, None, query=_ANSWER,
                    further={"303": "Signed on", **refused},
                )
                for path in (CALLBACK, f"{CALLBACK}/{{provider}}")
            ),
            Operation(
                "POST", f"{PATH}/{{provider}}/acs", "Come back from an identity provider of SAML",
                PUBLIC, "admin", "action", self.come_back_posting, None,
                further={"303": "Signed on", "401": "Begin again", "415": "Not a form"},
            ),
            Operation(
                "GET", f"{PATH}/{{provider}}", "Our metadata for an identity provider of SAML",
                PUBLIC, "admin", "none", self.metadata, None,
            ),
            Operation(
                "POST", "/auth/sso/logout", "End this session; the answer says where to end the provider's",
                ANYBODY, "admin", "action", self.leave, schema.Redirect,
            ),
            Operation(
                "POST", "/auth/sso/backchannel-logout", "An identity provider ends sessions",
                PUBLIC, "admin", "action", self.signed_off, schema.SignedOff,
                further={"400": "Not a logout token for us", "415": "Not a form", **_AWAY},
            ),
            Operation(
                "GET", "/auth/user/permissions", "Who is calling, and what they may do",
                ANYBODY, "read", "access", self.permissions, schema.Permissions,
            ),
        ]  # fmt: skip

    async def begin(self, call: Call) -> Response:
        """POST /auth/sso/login."""
        begun = await self._begin(call.request)
        return _remembering(reply({"redirect": begun.redirect}), begun)

    async def go(self, call: Call) -> Response:
        """GET /auth/sso/login."""
        begun = await self._begin(call.request)
        return _remembering(RedirectResponse(begun.redirect, 302), begun)

    async def come_back(self, call: Call) -> Response:
        """GET /auth/sso/callback."""
        request = call.request
        finished = await self._sign_on.finish(
            request.url.path,
            _single(request),
            read_cookie(request, BROWSER),
            read_cookie(request, SESSION),
        )
        response = RedirectResponse(finished.next, 303)
        set_cookie(response, SESSION, finished.session)
        return _private(response)

    async def come_back_posting(self, call: Call) -> Response:
        """POST /auth/sso/saml/{provider}/acs."""
        request = call.request
        form = await _form(request)
        finished = await self._saml.finish(
            request.path_params["provider"],
            form.get("SAMLResponse", ""),
            form.get("RelayState", ""),
            read_cookie(request, FORM_BROWSER),
            read_cookie(request, SESSION),
        )
        response = RedirectResponse(finished.next, 303)
        set_cookie(response, SESSION, finished.session)
        return _private(response)

    async def metadata(self, call: Call) -> Response:
        """GET /auth/sso/saml/{provider}."""
        document = self._saml.metadata(call.request.path_params["provider"])
        return Response(document, media_type="application/samlmetadata+xml")

    async def leave(self, call: Call) -> Response:
        """POST /auth/sso/logout. Who came by a key or a token has no session to end."""
        session = await self._authentication.session(call.request)
        secret = read_cookie(call.request, SESSION)
        if session is None or secret is None:
            return reply({"redirect": None})
        response = reply({"redirect": await self._sign_on.sign_off(secret, session.row.provider)})
        drop_cookie(response, SESSION)
        return _private(response)

    async def signed_off(self, call: Call) -> Response:
        """POST /auth/sso/backchannel-logout."""
        text = (await _form(call.request)).get("logout_token", "")
        try:
            ended = await self._sign_on.signed_off(text)
        except TokenRefused as error:
            detail = f"The logout token is refused: {error.reason}."
            raise RequestError("invalid_token", detail) from error
        return _private(reply({"ended": ended}))

    async def permissions(self, call: Call) -> Response:
        """GET /auth/user/permissions."""
        who = call.principal
        session = await self._authentication.session(call.request)
        return _private(
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

    async def _begin(self, request: Request) -> Begun:
        said = _single(request)
        name = said.get("provider")
        if name is None and len(self._saml.names) == 1 and not self._sign_on.names:
            (name,) = self._saml.names
        if name in self._saml.names:
            browser = read_cookie(request, FORM_BROWSER)
            return await self._saml.begin(name, said.get("next"), browser)
        browser = read_cookie(request, BROWSER)
        return await self._sign_on.begin(said.get("provider"), said.get("next"), browser)


def _single(request: Request) -> dict[str, str]:
    """The query, of which nothing may stand twice: two readers would read two things.

    Raises:
        RequestError: not so.
    """
    pairs = request.query_params.multi_items()
    found = dict(pairs)
    if len(found) != len(pairs) or any(len(value) > _VALUE_MAX for value in found.values()):
        raise RequestError("invalid_request", "Each parameter is said once, and is short.")
    return found


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form that stand in it once.

    Raises:
        RequestError: it is no form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise RequestError("unsupported_media_type", "Send a form.")
    try:
        fields = parse_qs((await request.body()).decode("ascii"), max_num_fields=_FIELDS_MAX)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items() if len(values) == 1}


def _remembering(response: Response, begun: Begun) -> Response:
    name = FORM_BROWSER if begun.posts_back else BROWSER
    set_cookie(response, name, begun.browser, ATTEMPT_S, with_forms=begun.posts_back)
    return _private(response)


def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    # An address with a code in it is nobody else's to see.
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
