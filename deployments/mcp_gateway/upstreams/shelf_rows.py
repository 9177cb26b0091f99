"""What an upstream has beside tools, as it is shown, and which addresses are its own. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mcp.shared.uri_template import InvalidUriTemplate, UriTemplate
from mcp_types import Prompt, Resource, ResourceTemplate

from deployments.mcp_gateway.upstreams import relay
from deployments.mcp_gateway.upstreams.session import Catalogue

# Addresses of our own servers, and of files of this machine: nobody else answers for them.
RESERVED = frozenset({"kb", "knowledge", "tools", "memory", "runbook", "customer", "file"})

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Rows:
    """Resources, addresses with holes and prompts of one server."""

    resources: Sequence[Resource] = ()
    templates: Sequence[ResourceTemplate] = ()
    prompts: Mapping[str, Prompt] = field(default_factory=dict)
    completes: bool = False
    holes: Sequence[UriTemplate] = ()

    def has(self, uri: str) -> bool:
        """Whether the address is one the server listed, or fits one with holes: no other is asked for."""
        if len(uri) > relay.URI_MAX or not _is_theirs(uri):
            return False
        if any(row.uri == uri for row in self.resources):
            return True
        return any(hole.match(uri, max_uri_length=relay.URI_MAX) is not None for hole in self.holes)


def rows_of(found: Catalogue) -> Rows:
    """The rows that are taken: under addresses of their own, and each name once."""
    resources = {row.uri: relay.resource(row) for row in found.resources if _is_theirs(row.uri)}
    templates: dict[str, ResourceTemplate] = {}
    holes: list[UriTemplate] = []
    for row in found.templates:
        if not _is_theirs(row.uri_template) or row.uri_template in templates:
            continue
        try:
            holes.append(UriTemplate.parse(row.uri_template))
        except InvalidUriTemplate:
            continue
        templates[row.uri_template] = relay.template(row)
    prompts = {row.name: relay.prompt(row) for row in found.prompts if _NAME.fullmatch(row.name)}
    return Rows(
        tuple(resources.values()), tuple(templates.values()), prompts, found.completes, holes
    )


def _is_theirs(uri: str) -> bool:
    scheme = _SCHEME.match(uri.lower())
    return scheme is not None and scheme[1] not in RESERVED and len(uri) <= relay.URI_MAX
