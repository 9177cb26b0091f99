"""What every route and tool is asked with another tenant's names; what is not in here fails the walk.

A name in braces is one of the victim's (`foreign_world.Victim.ids`). A route that takes no name is
asked as well: what it lists may be nobody else's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.integration.talk import MESSAGE

Json = Mapping[str, object]


@dataclass(frozen=True)
class Asked:
    """One request: `body` as JSON, None for none."""

    path: str
    body: Json | None = None


_CHAT: Json = {"message": MESSAGE}
_MESSAGES = [{"role": "user", "content": MESSAGE}]
_COMPLETION: Json = {"model": "auto", "messages": _MESSAGES}
_KEY: Json = {"name": "rival's", "roles": ["customer"]}
_BUDGET: Json = {"scope": "tenant", "usd_per_day": 900}
_PERSON: Json = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": "{person}",
    "externalId": "{person}",
}
_TEAM: Json = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
    "displayName": "{group}",
    "members": [{"value": "{scim_user}"}],
}
_OFF: Json = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    "Operations": [{"op": "replace", "path": "active", "value": False}],
}
_SEARCH: Json = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
    "filter": 'id eq "{scim_user}" or id eq "{scim_group}"',
}
_SERVER: Json = {"name": "{server}", "url": "https://mcp.example.com/mcp", "tools": {}}


def _chat(path: str, more: Json | None = None) -> list[Asked]:
    plain = {**_CHAT, **(more or {})}
    return [
        Asked(path, {**plain, "conversation_id": "{conversation}"}),
        Asked(path, {**plain, "user_id": "{customer}"}),
    ]


ROUTES: Mapping[str, list[Asked]] = {
    "POST /v3/chat": _chat("/v3/chat"),
    "POST /v3/openai/chat": _chat("/v3/openai/chat"),
    "POST /v3/anthropic/chat": _chat("/v3/anthropic/chat"),
    "POST /v3/azure/chat": _chat("/v3/azure/chat"),
    "POST /v3/google/vertex": _chat("/v3/google/vertex"),
    "POST /v3/microsoft/copilot": _chat("/v3/microsoft/copilot"),
    "POST /v3/platforms/route": [
        *_chat("/v3/platforms/route", {"platform": "openai"}),
        *_chat("/v3/platforms/route", {"platform": "openai", "dry_run": True}),
    ],
    "GET /v3/platforms/status": [Asked("/v3/platforms/status")],
    "GET /v3/decisions/{id}": [Asked("/v3/decisions/{decision}"), Asked("/v3/decisions/{answer}")],
    "POST /v3/decisions/{id}/feedback": [Asked("/v3/decisions/{decision}/feedback", {"quality": 0.5})],
    "GET /v3/savings": [Asked("/v3/savings")],
    "GET /healthz": [Asked("/healthz")],
    "GET /readyz": [Asked("/readyz")],
    "GET /v3/budgets": [Asked("/v3/budgets")],
    "GET /v3/budgets/{id}": [Asked("/v3/budgets/{budget}")],
    "PUT /admin/budgets/{id}": [Asked("/admin/budgets/{budget}", _BUDGET)],
    "DELETE /admin/budgets/{id}": [Asked("/admin/budgets/{budget}")],
    "POST /v1/chat/completions": [
        Asked("/v1/chat/completions", {**_COMPLETION, "user": "{customer}"}),
    ],
    "POST /v1/responses": [
        Asked("/v1/responses", {"model": "auto", "input": MESSAGE, "conversation": "{thread}"}),
        Asked("/v1/responses", {"model": "auto", "input": MESSAGE, "conversation": {"id": "{thread}"}}),
        Asked("/v1/responses", {"model": "auto", "input": MESSAGE, "previous_response_id": "{response}"}),
        Asked("/v1/responses", {"model": "auto", "input": [{"type": "item_reference", "id": "{item}"}]}),
    ],
    "POST /v1/messages": [
        Asked("/v1/messages", {**_COMPLETION, "max_tokens": 64, "metadata": {"user_id": "{customer}"}}),
    ],
    "GET /v1/models": [Asked("/v1/models")],
    "POST /v1/conversations": [Asked("/v1/conversations", {})],
    "GET /v1/conversations/{id}": [
        Asked("/v1/conversations/{thread}"), Asked("/v1/conversations/{conversation}"),
    ],
    "POST /v1/conversations/{id}": [Asked("/v1/conversations/{thread}", {"metadata": {"of": "rival"}})],
    "DELETE /v1/conversations/{id}": [Asked("/v1/conversations/{thread}")],
    "GET /v1/conversations/{id}/items": [
        Asked("/v1/conversations/{thread}/items"), Asked("/v1/conversations/{thread}/items?after={item}"),
    ],
    "POST /v1/conversations/{id}/items": [
        Asked("/v1/conversations/{thread}/items", {"items": [{"role": "user", "content": "mine"}]}),
    ],
    "GET /v1/conversations/{id}/items/{item}": [Asked("/v1/conversations/{thread}/items/{item}")],
    "DELETE /v1/conversations/{id}/items/{item}": [Asked("/v1/conversations/{thread}/items/{item}")],
    # Of every tenant's requests, so the operator's; this body is not readable and changes nothing.
    "POST /admin/platforms/breaker": [Asked("/admin/platforms/breaker", {"target": "{decision}"})],
    "GET /admin/platforms/breaker": [Asked("/admin/platforms/breaker")],
    "GET /v3/regions/figures": [Asked("/v3/regions/figures")],
    # Another region's key is for the tenants of all; here is no other region, so nobody gets any.
    "POST /v3/regions/budgets": [Asked("/v3/regions/budgets", {
        "version": 1, "region": "elsewhere", "digest": "", "claims": [{
            "key": {"tenant": "victim", "budget": "{budget}", "scope": "tenant", "subject": "victim", "day": 20000},
            "lease": "lease", "seq": 1, "want": 10**9, "spent": 0, "returned": 0,
        }],
    })],
    "GET /.well-known/oauth-protected-resource/mcp": [Asked("/.well-known/oauth-protected-resource/mcp")],
    "POST /v3/mcp/context": [
        Asked("/v3/mcp/context", {"query": "charged twice", "user_id": "{customer}"}),
    ],
    "GET /v3/memory/{user_id}": [Asked("/v3/memory/{customer}")],
    "DELETE /v3/memory/{user_id}": [Asked("/v3/memory/{customer}")],
    "GET /v3/approvals": [Asked("/v3/approvals"), Asked("/v3/approvals?state=waiting")],
    "GET /v3/approvals/{id}": [Asked("/v3/approvals/{approval}")],
    "POST /v3/approvals/{id}": [
        Asked("/v3/approvals/{approval}", {"decision": "approve"}),
        Asked("/v3/approvals/{approval}", {"decision": "deny"}),
    ],
    "POST /auth/sso/login": [Asked("/auth/sso/login?provider={server}")],
    "GET /auth/sso/login": [Asked("/auth/sso/login?provider={server}")],
    "GET /auth/sso/callback": [Asked("/auth/sso/callback?state={decision}&code={response}")],
    "GET /auth/sso/callback/{provider}": [Asked("/auth/sso/callback/{server}?state=a&code=b")],
    "POST /auth/sso/saml/{provider}/acs": [Asked("/auth/sso/saml/{server}/acs", {})],
    "GET /auth/sso/saml/{provider}": [Asked("/auth/sso/saml/{server}")],
    "POST /auth/sso/logout": [Asked("/auth/sso/logout")],
    "POST /auth/sso/backchannel-logout": [Asked("/auth/sso/backchannel-logout", {})],
    "GET /auth/user/permissions": [Asked("/auth/user/permissions")],
    "GET /admin/keys": [Asked("/admin/keys")],
    "POST /admin/keys": [Asked("/admin/keys", _KEY)],
    "POST /admin/keys/{id}/rotate": [Asked("/admin/keys/{key}/rotate", {})],
    "DELETE /admin/keys/{id}": [Asked("/admin/keys/{key}")],
    "GET /v3/audit": [
        Asked("/v3/audit"), Asked("/v3/audit?format=ocsf"), Asked("/v3/audit?object={budget}"),
        Asked("/v3/audit?subject=key:{key}"),
    ],
    "GET /admin/mcp/servers": [Asked("/admin/mcp/servers")],
    "POST /admin/mcp/servers": [Asked("/admin/mcp/servers", _SERVER)],
    "DELETE /admin/mcp/servers/{name}": [Asked("/admin/mcp/servers/{server}")],
    "POST /admin/mcp/servers/{name}/tools/{tool}": [
        Asked("/admin/mcp/servers/{server}/tools/find", {"hash": "0" * 64}),
    ],
    "GET /v3/users/{user_id}/data": [Asked("/v3/users/{customer}/data")],
    "DELETE /v3/users/{user_id}/data": [Asked("/v3/users/{customer}/data")],
    "GET /admin/holds/{user_id}": [Asked("/admin/holds/{customer}")],
    "PUT /admin/holds/{user_id}": [Asked("/admin/holds/{customer}")],
    "DELETE /admin/holds/{user_id}": [Asked("/admin/holds/{customer}")],
    "GET /admin/roles": [Asked("/admin/roles")],
    "GET /admin/roles/assignments": [Asked("/admin/roles/assignments")],
    "GET /admin/roles/assignments/{subject}": [Asked("/admin/roles/assignments/{subject}")],
    "PUT /admin/roles/assignments/{subject}": [
        Asked("/admin/roles/assignments/{subject}", {"roles": ["customer"]}),
    ],
    "DELETE /admin/roles/assignments/{subject}": [Asked("/admin/roles/assignments/{subject}")],
    # The operator's, like the breaker; tried out and not done.
    "GET /admin/platforms/configure": [Asked("/admin/platforms/configure")],
    "POST /admin/platforms/configure": [Asked("/admin/platforms/configure", {
        "platform": "openai", "changes": {"max_tokens": 500}, "dry_run": True,
    })],
    "GET /auth/sso/saml/{provider}/enter": [Asked("/auth/sso/saml/{server}/enter?state=a")],
    "GET /auth/sso/saml/{provider}/slo": [Asked("/auth/sso/saml/{server}/slo")],
    "POST /auth/sso/saml/{provider}/slo": [Asked("/auth/sso/saml/{server}/slo", {})],
    "GET /scim/v2/Users": [
        Asked("/scim/v2/Users"), Asked('/scim/v2/Users?filter=userName eq "{person}"'),
    ],
    "POST /scim/v2/Users": [Asked("/scim/v2/Users", {**_PERSON, "id": "{scim_user}"})],
    "GET /scim/v2/Users/{id}": [Asked("/scim/v2/Users/{scim_user}")],
    "PUT /scim/v2/Users/{id}": [Asked("/scim/v2/Users/{scim_user}", _PERSON)],
    "PATCH /scim/v2/Users/{id}": [Asked("/scim/v2/Users/{scim_user}", _OFF)],
    "DELETE /scim/v2/Users/{id}": [Asked("/scim/v2/Users/{scim_user}")],
    "GET /scim/v2/Groups": [
        Asked("/scim/v2/Groups"), Asked('/scim/v2/Groups?filter=displayName eq "{group}"'),
    ],
    "POST /scim/v2/Groups": [Asked("/scim/v2/Groups", _TEAM)],
    "GET /scim/v2/Groups/{id}": [Asked("/scim/v2/Groups/{scim_group}")],
    "PUT /scim/v2/Groups/{id}": [Asked("/scim/v2/Groups/{scim_group}", _TEAM)],
    "PATCH /scim/v2/Groups/{id}": [Asked("/scim/v2/Groups/{scim_group}", _OFF)],
    "DELETE /scim/v2/Groups/{id}": [Asked("/scim/v2/Groups/{scim_group}")],
    "POST /scim/v2/Users/.search": [Asked("/scim/v2/Users/.search", _SEARCH)],
    "POST /scim/v2/Groups/.search": [Asked("/scim/v2/Groups/.search", _SEARCH)],
    "POST /scim/v2/.search": [Asked("/scim/v2/.search", _SEARCH)],
    "GET /scim/v2/ServiceProviderConfig": [Asked("/scim/v2/ServiceProviderConfig")],
    "GET /scim/v2/ResourceTypes": [Asked("/scim/v2/ResourceTypes")],
    "GET /scim/v2/ResourceTypes/{id}": [Asked("/scim/v2/ResourceTypes/{scim_user}")],
    "GET /scim/v2/Schemas": [Asked("/scim/v2/Schemas")],
    "GET /scim/v2/Schemas/{id}": [Asked("/scim/v2/Schemas/{scim_user}")],
    "GET /openapi.json": [Asked("/openapi.json")],
}  # fmt: skip

_MINE: Json = {"user_id": "{customer}"}
TOOLS: Mapping[str, Json] = {
    "knowledge__search": {"query": "charged twice"},
    "memory__conversation": {},
    "memory__forget": {"attribute": "plan"},
    "memory__recall": {},
    "memory__remember": {"attribute": "plan", "value": "charged", "turn": 1},
    "memory__runbook_run": {"run_id": "{run}"},
    "memory__runbook_start": {"name": "{runbook}"},
    "memory__runbook_step": {"run_id": "{run}", "step": "1", "outcome": "done"},
    "memory__runbooks": {},
    "tools__change_plan": {**_MINE, "plan": "pro"},
    "tools__list_invoices": _MINE,
    "tools__look_up_customer": _MINE,
    "tools__look_up_order": {**_MINE, "order_id": "{order}"},
    "tools__open_incident": {**_MINE, "severity": "low", "title": "a", "description": "b"},
    "tools__refund_invoice": {**_MINE, "invoice_id": "{invoice}", "reason": "DUP", "amount_usd": 5},
    "tools__reset_password": _MINE,
}
"""Every tool of the gateway, called about the victim's customer in the victim's conversation."""


def filled(value: object, names: Mapping[str, str]) -> object:
    """`value` with the names in its braces, at any depth."""
    match value:
        case str():
            for kind, name in names.items():
                value = value.replace(f"{{{kind}}}", name)
            return value
        case Mapping():
            return {key: filled(inner, names) for key, inner in value.items()}
        case list():
            return [filled(inner, names) for inner in value]
        case other:
            return other
