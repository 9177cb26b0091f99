"""POST /auth/sso/login with a password, for directories that nothing federates."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from starlette.requests import Request
from starlette.responses import Response

from deployments.ingress import problem
from deployments.ingress.auth_cookies import SESSION, read_cookie, set_cookie
from deployments.ingress.auth_forms import media_type, private
from deployments.ingress.authentication import Authentication
from deployments.ingress.routes import reply
from deployments.ingress.said_once import must_say_once
from deployments.security.attempts import NEXT_MAX
from deployments.security.passwords import PasswordSignOn
from routing.errors import AccessError, RequestError

LOGIN_BYTES = 16 * 1024
"""Of a whole body: a name and a password, some hundred characters, from anybody at all."""


class LoginBody(BaseModel):
    """Where somebody wants to sign on and to go, and, at a directory, who they say they are."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    provider: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    username: str | None = Field(default=None, repr=False)
    password: SecretStr | None = None
    next: Annotated[str, Field(max_length=NEXT_MAX)] | None = None

    @model_validator(mode="after")
    def _whole(self) -> "LoginBody":
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password come together")
        if self.password is not None and self.provider is None:
            raise ValueError("a password is for the directory that `provider` names")
        return self


async def login_body(request: Request) -> LoginBody | None:
    """What a request of sign-on brings besides its query; None without a body.

    Raises:
        RequestError: it is not what it has to be.
    """
    content = await request.body()
    if not content:
        return None
    if media_type(request) != "application/json":
        raise RequestError("unsupported_media_type", "Send application/json.")
    try:
        body = LoginBody.model_validate_json(content)
    except ValidationError as error:
        raise problem.from_validation(error) from None
    must_say_once(content)
    return body


class PasswordRoute:
    """The part of the route of sign-on that takes a password."""

    def __init__(self, sign_on: PasswordSignOn, authentication: Authentication) -> None:
        self._sign_on = sign_on
        self._authentication = authentication

    @property
    def names(self) -> frozenset[str]:
        """The directories there are."""
        return self._sign_on.names

    async def sign_on(
        self, request: Request, provider: str, username: str, password: str, going: str
    ) -> Response:
        """Sign somebody on, who is `going` to a path here.

        A page of another site could sign somebody on as somebody else: JSON from elsewhere needs a
        permission that nobody gets, and the browser says which page asked.

        Raises:
            AccessError: no page of ours asked, or it is not the name and the password of anybody.
            IdentityProviderUnavailable: the directory cannot be asked.
        """
        if not self._authentication.is_ours(request):
            raise AccessError("forbidden", "A password comes from our own pages alone.")
        finished = await self._sign_on.sign_on(
            provider,
            username,
            password,
            going,
            self._authentication.address(request),
            read_cookie(request, SESSION),
        )
        response = reply({"redirect": finished.next})
        set_cookie(response, SESSION, finished.session)
        return private(response)
