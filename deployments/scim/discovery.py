"""What this directory says of itself: RFC 7644, 4."""

from collections.abc import Mapping
from typing import Any

from scim2_models import (
    AuthenticationScheme,
    Bulk,
    ChangePassword,
    Context,
    ETag,
    Filter,
    Meta,
    Pagination,
    Patch,
    Reference,
    Resource,
    ResourceType,
    Schema,
    ServiceProviderConfig,
    Sort,
)

from deployments.scim.models import Group, User
from deployments.scim.search import PAGE

LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"


class Discovery:
    """The documents, for a client that reached us at `base`."""

    def __init__(self, base: str) -> None:
        self._base = base

    def config(self) -> dict[str, object]:
        """What can be asked of the directory, and what cannot."""
        config = ServiceProviderConfig(
            patch=Patch(supported=True),
            bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
            filter=Filter(supported=True, max_results=PAGE),
            change_password=ChangePassword(supported=False),
            sort=Sort(supported=False),
            etag=ETag(supported=True),
            pagination=Pagination(
                cursor=False, index=True, default_page_size=PAGE, max_page_size=PAGE
            ),
            authentication_schemes=[
                AuthenticationScheme(
                    type=AuthenticationScheme.Type.oauthbearertoken,
                    name="API key",
                    description="A key of the role provisioner as a bearer token.",
                    spec_uri=Reference[Any]("https://www.rfc-editor.org/info/rfc6750"),
                    primary=True,
                )
            ],
        )
        config.meta = self._meta("ServiceProviderConfig", "/ServiceProviderConfig")
        return _dumped(config)

    def resource_types(self) -> Mapping[str, dict[str, object]]:
        """What kinds of resources there are, by their ids."""
        found: dict[str, dict[str, object]] = {}
        for model in (User, Group):
            kind = ResourceType.from_resource(model)
            kind.meta = self._meta("ResourceType", f"/ResourceTypes/{kind.id}")
            found[str(kind.id)] = _dumped(kind)
        return found

    def schemas(self) -> Mapping[str, dict[str, object]]:
        """What is kept of each, by the ids of their schemas."""
        found: dict[str, dict[str, object]] = {}
        for model, name in ((User, "User"), (Group, "Group")):
            schema: Schema = model.to_schema()
            schema.name, schema.description = name, f"What is kept of a {name}"
            schema.meta = self._meta("Schema", f"/Schemas/{schema.id}")
            found[str(schema.id)] = _dumped(schema)
        return found

    def _meta(self, kind: str, path: str) -> Meta:
        return Meta(resource_type=kind, location=f"{self._base}{path}")


def listed(
    resources: list[dict[str, object]], total: int | None = None, start: int = 1
) -> dict[str, object]:
    """Resources as a list: all there are, or a page from the number `start` on."""
    return {
        "schemas": [LIST],
        "totalResults": len(resources) if total is None else total,
        "startIndex": start,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }


def _dumped(resource: Resource[Any]) -> dict[str, object]:
    return resource.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
