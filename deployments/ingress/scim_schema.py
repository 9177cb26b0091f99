"""SCIM's bodies as the route table describes them; what they hold is described by /scim/v2/Schemas."""

from pydantic import BaseModel, ConfigDict

from deployments.nesting import ShallowJson

MEDIA_TYPE = "application/scim+json"


class ScimBody(BaseModel):
    """A resource or a PATCH, by RFC 7643 and 7644. Names of attributes are written in any case."""

    model_config = ConfigDict(extra="allow", frozen=True)

    __pydantic_extra__: dict[str, ShallowJson]


class ScimAnswer(BaseModel):
    """A resource, or a list of them."""

    model_config = ConfigDict(extra="allow", frozen=True)

    schemas: list[str]


class ScimErrorBody(BaseModel):
    """RFC 7644, 3.12."""

    schemas: list[str]
    status: str
    scimType: str | None = None  # noqa: N815  as it is on the wire
    detail: str | None = None
