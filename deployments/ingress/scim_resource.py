"""The rows of one kind of resource under /scim/v2: what can be asked of it (RFC 7644, 3.2)."""

from dataclasses import dataclass
from typing import Literal, Protocol

from starlette.responses import Response

from deployments.ingress.parameters import Parameter
from deployments.ingress.routes import Call, Handler, Operation
from deployments.ingress.scim_desk import BASE, PERMISSION
from deployments.ingress.scim_errors import SCIM_ERRORS
from deployments.ingress.scim_schema import MEDIA_TYPE, ScimAnswer, ScimBody

_TEXT = {"type": "string"}
SHOWN = {
    "attributes": Parameter("The attributes to show, separated by commas", _TEXT),
    "excludedAttributes": Parameter("The attributes to leave out, separated by commas", _TEXT),
}
_WHOLE = {"type": "integer"}
SEARCH = {
    "filter": Parameter("Which ones, by RFC 7644, 3.4.2.2", _TEXT),
    "startIndex": Parameter("The number of the first one, from 1 on", _WHOLE),
    "count": Parameter("How many, at most 100", _WHOLE),
    "sortBy": Parameter("Is refused: nothing is sorted here", _TEXT),
    **SHOWN,
}
"""Whatever is wrong with one is said in the words that RFC 7644, 3.12 has for it."""
IF_MATCH = {"If-Match": "The version that is meant, as ETag said it; another one is left alone"}
IF_NONE_MATCH = {"If-None-Match": "The version that is known already, as ETag said it"}
CHANGED = {"412": "Another version than the one that is meant"}
TAKEN = "Somebody else has the name or the id, or others change it just now"


@dataclass(frozen=True, slots=True)
class Words:
    """What each row does, for /openapi.json; `made` and `gone` are what 201 and 204 say."""

    search: str
    sought: str
    create: str
    made: str
    show: str
    replace: str
    patch: str
    delete: str
    gone: str


class Resource(Protocol):
    """The handlers."""

    async def search(self, call: Call) -> Response:
        """GET all."""
        ...

    async def sought(self, call: Call) -> Response:
        """POST a search."""
        ...

    async def create(self, call: Call) -> Response:
        """POST one."""
        ...

    async def show(self, call: Call) -> Response:
        """GET one."""
        ...

    async def replace(self, call: Call) -> Response:
        """PUT one."""
        ...

    async def patch(self, call: Call) -> Response:
        """PATCH one."""
        ...

    async def delete(self, call: Call) -> Response:
        """DELETE one."""
        ...


def resource_operations(kind: str, words: Words, routes: Resource) -> list[Operation]:
    """The rows of `kind`, which is "Users" or "Groups"."""
    changes: tuple[tuple[Literal["PUT", "PATCH"], str, Handler], ...] = (
        ("PUT", words.replace, routes.replace),
        ("PATCH", words.patch, routes.patch),
    )
    every, one = f"{BASE}/{kind}", f"{BASE}/{kind}/{{id}}"
    return [
        Operation(
            "GET", every, words.search, PERMISSION, "read", "access", routes.search, ScimAnswer,
            query=SEARCH, errors=SCIM_ERRORS, media_type=MEDIA_TYPE,
        ),
        Operation(
            "POST", f"{every}/.search", words.sought, PERMISSION, "read", "access", routes.sought,
            ScimAnswer, ScimBody, errors=SCIM_ERRORS, media_type=MEDIA_TYPE,
        ),
        Operation(
            "POST", every, words.create, PERMISSION, "admin", "action", routes.create, ScimAnswer,
            ScimBody, query=SHOWN, conflict=TAKEN, errors=SCIM_ERRORS, media_type=MEDIA_TYPE,
            further={"201": words.made},
        ),
        Operation(
            "GET", one, words.show, PERMISSION, "read", "access", routes.show, ScimAnswer,
            query=SHOWN, headers=IF_NONE_MATCH, errors=SCIM_ERRORS, media_type=MEDIA_TYPE,
            further={"304": "As it is known"},
        ),
        *(
            Operation(
                method, one, summary, PERMISSION, "admin", "action", handler, ScimAnswer, ScimBody,
                query=SHOWN, headers=IF_MATCH, conflict=TAKEN, errors=SCIM_ERRORS,
                media_type=MEDIA_TYPE, further=CHANGED,
            )
            for method, summary, handler in changes
        ),
        Operation(
            "DELETE", one, words.delete, PERMISSION, "admin", "action", routes.delete, None,
            headers=IF_MATCH, conflict=TAKEN, errors=SCIM_ERRORS, media_type=MEDIA_TYPE,
            further={"204": words.gone, **CHANGED},
        ),
    ]  # fmt: skip
