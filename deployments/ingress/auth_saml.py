"""/auth/sso/saml: where identity providers of SAML find us, and send browsers to."""

from collections.abc import Mapping
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from config.saml import PATH
from deployments.ingress import auth_schema as schema
from deployments.ingress.auth_cookies import (
    FORM_ATTEMPT,
    SESSION,
    keep,
    read_cookie,
    read_cookies,
)
from deployments.ingress.auth_forms import STATE_MAX, form_of, private, single, told, welcomed
from deployments.ingress.parameters import Parameter
from deployments.ingress.routes import FORM, PUBLIC, Call, Operation, OwnBody
from deployments.security.attempts import ENTRY_S
from deployments.security.errors import TokenRefused
from deployments.security.saml.files import Known
from deployments.security.saml.metadata import metadata_of
from deployments.security.saml.sign_off import SamlSignOff
from deployments.security.saml.sign_on import ENTRY, SamlSignOn
from routing.errors import AccessError, RequestError

_METADATA = "application/samlmetadata+xml"
# A message is a text of any length here, and refused as one of another's where it is too long.
_SENT = {
    name: Parameter(f"As the provider sends it: {name}", {"type": "string"})
    for name in ("SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature")
}
_OFF = {"303": "On to where it goes next", "400": "Not a message for us"}


class SamlRoutes:
    """The routes of SAML; sign-on begins where all sign-ons do."""

    def __init__(
        self, known: Mapping[str, Known], sign_on: SamlSignOn, sign_off: SamlSignOff
    ) -> None:
        self._known = known
        self._sign_on = sign_on
        self._sign_off = sign_off

    def operations(self) -> list[Operation]:
        """The rows of the table."""
        provider = f"{PATH}/{{provider}}"
        return [
            Operation(
                "GET", provider, "Our metadata for an identity provider of SAML",
                PUBLIC, "admin", "none", self.metadata, None,
                media_type=_METADATA,
            ),
            Operation(
                "POST", f"{provider}/acs", "Come back from an identity provider of SAML",
                PUBLIC, "admin", "action", self.admit, None,
                further={"303": "Good: fetch the session", "401": "Begin again"},
                own_body=OwnBody(schema.SamlAnswer, FORM), in_browser=True,
            ),
            Operation(
                "GET", f"{provider}/enter", "Fetch the session after coming back",
                PUBLIC, "admin", "action", self.enter, None,
                query={"state": told("Which attempt it was", STATE_MAX)},
                further={"303": "Signed on", "401": "Begin again"}, in_browser=True,
            ),
            Operation(
                "GET", f"{provider}/slo", "A provider ends sessions, or says that it ended its own",
                PUBLIC, "admin", "action", self.told_by_redirect, None, query=_SENT, further=_OFF,
                in_browser=True,
            ),
            Operation(
                "POST", f"{provider}/slo", "The same, in a form",
                PUBLIC, "admin", "action", self.told_by_form, None,
                further=_OFF, own_body=OwnBody(schema.SamlMessage, FORM), in_browser=True,
            ),
        ]  # fmt: skip

    async def metadata(self, call: Call) -> Response:
        """GET /auth/sso/saml/{provider}."""
        known = self._known.get(call.request.path_params["provider"])
        if known is None:
            raise AccessError("not_found", "There is no such provider.")
        signs_off = known.slo_answers is not None
        document = metadata_of(known.provider, known.own, signs_off=signs_off)
        return Response(document, media_type=_METADATA)

    async def admit(self, call: Call) -> Response:
        """POST /auth/sso/saml/{provider}/acs."""
        request = call.request
        form = await form_of(request)
        name = request.path_params["provider"]
        admitted = await self._sign_on.admit(
            name,
            form.get("SAMLResponse", ""),
            form.get("RelayState", ""),
            read_cookies(request, FORM_ATTEMPT),
        )
        response = RedirectResponse(f"{PATH}/{name}/enter?state={quote(admitted.state)}", 303)
        keep(response, admitted.kept, ENTRY_S)
        return private(response)

    async def enter(self, call: Call) -> Response:
        """GET /auth/sso/saml/{provider}/enter."""
        request = call.request
        finished = await self._sign_on.enter(
            request.path_params["provider"],
            single(request).get("state", ""),
            read_cookies(request, ENTRY),
            read_cookie(request, SESSION),
        )
        return welcomed(finished)

    async def told_by_redirect(self, call: Call) -> Response:
        """GET /auth/sso/saml/{provider}/slo."""
        request = call.request
        name, query = request.path_params["provider"], request.scope["query_string"]
        try:
            where = await self._sign_off.told_by_redirect(name, query.decode("ascii"))
        except (TokenRefused, UnicodeDecodeError) as error:
            raise _refused(error) from error
        return private(RedirectResponse(where, 303))

    async def told_by_form(self, call: Call) -> Response:
        """POST /auth/sso/saml/{provider}/slo."""
        name, form = call.request.path_params["provider"], await form_of(call.request)
        try:
            where = await self._sign_off.told_by_form(name, form)
        except TokenRefused as error:
            raise _refused(error) from error
        return private(RedirectResponse(where, 303))


def _refused(error: TokenRefused | UnicodeDecodeError) -> RequestError:
    why = error.reason if isinstance(error, TokenRefused) else "parameters"
    return RequestError("invalid_token", f"The message is refused: {why}.")
