"""What the gateway offers of an upstream's tool: its words, and our terms. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from config.privacy import Kind
from deployments.mcp_gateway.tool import SideEffect, Tool, offered_name
from deployments.mcp_gateway.upstreams.definition import Definition, cleaned, shown
from deployments.mcp_gateway.upstreams.relay import LABEL_MAX
from deployments.mcp_gateway.upstreams.schemas import without_patterns
from routing.message import Json, JsonObject

# The gateway's own patience is a little longer than ours: ours ends with the better words.
GRACE_S = 2.0


@dataclass(frozen=True, slots=True)
class Rule:
    """What a tool may do, whatever it says of itself. Without a permission it has its server's."""

    side_effect: SideEffect = "write"
    needs_approval: bool = True
    permission: str | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a server is one of ours. `owner` is its tenant, or nobody for a shared one."""

    name: str
    owner: str
    permission: str
    timeout_s: float
    trust_on_first_use: bool = False
    relays_questions: bool = False
    rules: Mapping[str, Rule] = field(default_factory=dict)
    is_personal: bool = False
    reveals: frozenset[Kind] = frozenset()


_DEFAULT = Rule()


def offer(terms: Terms, definition: Definition) -> Tool:
    """The tool as callers see it; what it says of its own effects is left out."""
    body = definition.body
    rule = terms.rules.get(definition.name, _DEFAULT)
    title, description = body.get("title"), body.get("description")
    output = body.get("outputSchema")
    return Tool(
        name=offered_name(terms.name, definition.name),
        server=terms.name,
        local_name=definition.name,
        title=shown(title, LABEL_MAX) if isinstance(title, str) else definition.name,
        description=f"[{terms.name}, a server of others] {shown(str(description or ''))}",
        input_schema=_schema(body["inputSchema"]),
        output_schema=None if output is None else _schema(output),
        side_effect=rule.side_effect,
        trust="untrusted",
        permission=rule.permission or terms.permission,
        timeout_s=terms.timeout_s + GRACE_S,
        needs_approval=rule.needs_approval,
        is_personal=terms.is_personal,
        reveals=terms.reveals,
    )


def _schema(schema: Json) -> JsonObject:
    found = cleaned(without_patterns(schema))
    return found if isinstance(found, Mapping) else {}
