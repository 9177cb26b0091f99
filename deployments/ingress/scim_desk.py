"""What all routes under /scim/v2 do: whose directory it is, which version is meant, and the answer."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response

from actors.database.directory_rows import GroupRow, UserRow
from config.scim import DirectoryRules
from deployments.ingress.routes import Call
from deployments.ingress.scim_schema import MEDIA_TYPE
from deployments.scim.errors import ScimError
from deployments.scim.models import ID_MAX
from deployments.scim.people import etag
from routing.errors import AccessError, ConflictError

BASE = "/scim/v2"
PERMISSION = "directory:provision"
ATTEMPTS = 5
"""Changes of one resource that come between another's reading and writing before it gives up."""

R = TypeVar("R", UserRow, GroupRow)


class Directories:
    """The directories of tenants, by who is calling."""

    def __init__(self, rules: Iterable[DirectoryRules], changed: Callable[[], None]) -> None:
        """`changed` is to be called after each change."""
        self._rules = {each.tenant: each for each in rules}
        self.changed = changed

    def of(self, call: Call) -> DirectoryRules:
        """The caller's tenant's; raises AccessError where it keeps none."""
        rules = self._rules.get(call.principal.tenant)
        if rules is None:
            raise AccessError("forbidden", "No directory of this tenant is configured (scim).")
        return rules

    def base(self, call: Call) -> str:
        """Where the caller's resources are: as configured, or where the caller found us."""
        configured = self.of(call).public_url
        return f"{(configured or str(call.request.base_url)).rstrip('/')}{BASE}"


def id_in(call: Call) -> str:
    """The id in the path; raises AccessError for what can be none."""
    said: str = call.request.path_params["id"]
    if not 0 < len(said) <= ID_MAX or not said.isprintable():
        raise unknown()
    return said


def unknown() -> AccessError:
    """There is no such resource, or it is another tenant's."""
    return AccessError("not_found", "There is no such resource.")


def must_match(request: Request, row: R) -> R:
    """The row, if it is the version that the caller means.

    Raises:
        ScimError: 412; another one is.
    """
    if (asked := request.headers.get("if-match")) is not None and not _names(asked, row.version):
        raise ScimError(412, "", "It was changed meanwhile; read it again.")
    return row


def is_known(request: Request, row: R) -> bool:
    """Whether the caller has this version already."""
    asked = request.headers.get("if-none-match")
    return asked is not None and _names(asked, row.version)


def contended() -> ConflictError:
    """It was changed again and again while it was to be changed."""
    return ConflictError("changed_meanwhile", "Others change it just now; try again.")


def answer(
    body: Mapping[str, object] | None, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A resource or a list; None has no body."""
    content = b"" if body is None else orjson.dumps(body)
    kind = None if body is None else MEDIA_TYPE
    return Response(content, status, dict(headers or {}), media_type=kind)


def _names(header: str, version: int) -> bool:
    """Whether a list of entity tags has this version, or any (RFC 9110, 13.1)."""
    weak = etag(version)
    tags = {each.strip() for each in header.split(",")}
    return bool(tags & {"*", weak, weak.removeprefix("W/")})
