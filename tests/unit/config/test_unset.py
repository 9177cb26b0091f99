"""A variable that is not set opens nothing: what it belongs to is not used, or nothing starts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from config import check
from config.document import Loc, Value, dotted
from config.identity import identities_of
from config.loader import load_settings
from config.problems import ConfigErrors
from config.resolve import resolve_platforms
from config.scim import directories_of
from config.settings import Settings
from routing.errors import ConfigError

# Something in every section, and everything that narrows.
FULL = """
platforms:
  openai: {api_key: sk-1, model: gpt-6-luna, base_url: "https://o.example.com", regions: [us, eu]}
  azure_openai: {api_key: k, endpoint: "https://a.example.com", deployment: gpt-6-luna}
routing: {strategy: latency, fallback_platforms: [openai], max_tokens: 800}
mcp:
  security: {allowed_hosts: [support.example.com], allowed_origins: ["https://support.example.com"]}
  chat: {tools: [tools__list_invoices], link_hosts: [help.example.com]}
  outbound: {allow_private: [crm.internal], ports: [443]}
  authorities:
    corporate: {kind: token_exchange, token_url: "https://l.example.com/t", client_id: s, client_secret: k,
      tenants: [northwind]}
  upstreams:
    crm: {url: "https://crm.example.com/mcp", tenants: [northwind], permission: "tickets:respond",
      credential: {authority: corporate, scope: crm.read},
      tools: {search: {side_effect: read, approval: false, permission: "tickets:respond"}}}
redis: {urls: ["redis://r.example.com:6379"], password: p}
sso:
  provider: auth0
  domain: n.eu.auth0.com
  tenant: northwind
  client_id: web
  client_secret: s
  public_url: https://support.example.com
  audiences: ["api://supportmax"]
  clients: [our-app]
  required: {org_id: org_1}
  limit_by_scope: true
  algorithms: [RS256]
  token_types: [at+jwt]
  roles: [{claim: groups, equals: A, role: agent}]
sso_providers:
  entra: {provider: azure_ad, tenant_id: t-1, client_id: c, tenant: globex, required: {acr: mfa}}
  corp:
    provider: saml
    tenant: acme
    issuer: https://idp.example.com
    sso_url: https://idp.example.com/sso
    certificate_files: [/etc/idp.pem]
    public_url: https://support.example.com
    authn_contexts: [mfa]
    persistent_names: true
    roles: [{claim: groups, equals: A, role: agent}]
  told:
    provider: saml
    tenant: initech
    public_url: https://support.example.com
    metadata_file: /etc/idp.xml
    metadata_certificate_file: /etc/federation.pem
  plant:
    provider: ldap
    tenant: plant
    public_url: https://support.example.com
    directory: {url: "ldaps://d.example.com", ca_file: /c, bind_dn: CN=S, password_file: /p, base_dn: DC=e, tries: 3}
scim: [{provider: corp, require_provisioned: true, roles: [{group: A, role: agent}]}]
rbac: {enabled: true, roles: [admin, agent], policies: [{policy_file: config/policies/rbac.yaml}]}
retention: {conversations: 30, tenants: {acme: {conversations: 7}}}
audit: {heads_folder: /mnt/heads, signing_keys_file: /k.pem}
server: {host: 127.0.0.1, port: 8000, trusted_proxies: [10.0.0.0/8], operator_tenants: [northwind]}
limits:
  networks: [10.0.0.0/8, 198.51.100.0/24]
  in_flight: 100
  requests: {user: {chat: {per_minute: 60, burst: 20}}}
  tenants: {northwind: {networks: [203.0.113.0/24], tokens: {user: {per_day: 1000}}}}
database: {url: "postgresql://me@db.example.com/s", password: p}
encryption: {provider: file, file: {path: /k}, refuse_clear: true}
privacy: {pii: seal, kinds: [card, iban]}
regions:
  name: eu
  peers: {us: {url: "https://us.example.com", api_key: smk_1}}
  tenants: {northwind: {home: us, failover: true}}
  budgets: {home: us, lease_s: 600}
assistants: {support: [{version: 1, model: auto, instructions: Be brief.}]}
budgets: [{scope: tenant, usd_per_day: 50, tenant: northwind}, {scope: user, usd_per_day: 1}]
"""


def load(folder: Path, text: str) -> Settings:
    file = folder / "c.yaml"
    file.write_text(text)
    return load_settings([file], {}, "production").settings


def leaves(value: Value, loc: Loc = ()) -> Iterator[Loc]:
    """Where a text or a number stands."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*loc, key))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from leaves(each, (*loc, place))
    else:
        yield loc


def with_value(loc: Loc, said: str) -> str:
    """The full configuration with `said` at one place."""
    tree = yaml.safe_load(FULL)
    inner = tree
    for part in loc[:-1]:
        inner = inner[part]
    inner[loc[-1]] = said
    return yaml.safe_dump(tree, sort_keys=False)


def is_off(settings: Settings, loc: Loc) -> bool:
    """Whether what `loc` belongs to is not used at all."""
    match loc:
        case ("platforms", name, *_):
            states = {each.name: each.state for each in resolve_platforms(settings, "production")}
            return states[str(name)] == "disabled"  # type: ignore[index]
        case ("sso", *_):
            return "auth0" in identities_of(settings).missing
        case ("sso_providers", name, *_):
            return name in identities_of(settings).missing
        case ("mcp", "authorities", name, *_):
            return name not in settings.mcp.authorities
        case ("database" | "redis", "password"):
            return True  # whoever is asked without one refuses
        case _:
            return False


def test_the_full_configuration_is_one(tmp_path: Path) -> None:
    settings = load(tmp_path, FULL)
    assert identities_of(settings).missing == {}
    assert len(list(leaves(yaml.safe_load(FULL)))) > 100


@pytest.mark.parametrize("loc", list(leaves(yaml.safe_load(FULL))), ids=dotted)
def test_a_variable_that_is_not_set_is_an_error_or_what_it_belongs_to_is_not_used(
    tmp_path: Path, loc: Loc
) -> None:
    """Wherever it stands: what is written is never read as its default, which may be everybody."""
    try:
        settings = load(tmp_path, with_value(loc, "${NOPE}"))
    except ConfigErrors as refused:
        (only,) = refused.errors
        assert (only.key, only.line is not None) == (dotted(loc), True)
        assert only.message.startswith("NOPE not set; ")
        return
    assert is_off(settings, loc)


@pytest.mark.parametrize(
    "loc",
    [loc for loc in leaves(yaml.safe_load(FULL)) if isinstance(loc[-1], int) or "required" in loc],
    ids=dotted,
)
def test_a_member_that_comes_out_empty_is_an_error_too(tmp_path: Path, loc: Loc) -> None:
    """`${NAME:-}` says "if there is one" of a setting; of a list's member it would take the list away."""
    with pytest.raises(ConfigErrors) as refused:
        load(tmp_path, with_value(loc, "${NOPE:-}"))
    assert dotted(loc) in {error.key for error in refused.value.errors}


def test_a_setting_that_comes_out_empty_is_left_out(tmp_path: Path) -> None:
    settings = load(tmp_path, with_value(("platforms", "openai", "base_url"), "${NOPE:-}"))
    assert settings.platforms.openai is not None
    assert settings.platforms.openai.base_url is None


def test_a_provider_of_which_one_variable_is_missing_is_told_at_every_start() -> None:
    """The shipped one is not meant to be used while none of its variables is set."""
    told = load_settings(None, {"AZURE_TENANT_ID": "t-1", "AZURE_CLIENT_ID": "c"}, "production")
    (only,) = told.warnings
    assert str(only).endswith("sso.client_secret: AZURE_CLIENT_SECRET not set; left out")
    assert load_settings(None, {}, "production").warnings == ()


def test_a_tenants_provider_that_lacks_its_only_variable_is_told_too(tmp_path: Path) -> None:
    """Or programs whose tokens it took before would be refused without a word."""
    file = tmp_path / "own.yaml"
    file.write_text(
        "sso: {provider: oidc, issuer: 'https://login.acme.test', tenant: acme, client_id: a,\n"
        "  client_secret: '${NOPE}', audiences: [b]}\n"
    )
    (only,) = load_settings([file], {}, "production").warnings
    assert str(only).endswith("sso.client_secret: NOPE not set; left out")


def test_check_says_it_and_fails(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("limits:\n  networks:\n    - ${OFFICE_NET}\n    - 198.51.100.0/24\n")
    code, lines = check.run([file], {}, "production")
    assert code == 1
    assert lines[0].startswith(f"error: {file}:3: limits.networks[0]: OFFICE_NET not set; set it")


def test_a_peer_without_its_key_is_named_by_the_variable(tmp_path: Path) -> None:
    """And not by the tenant whose home is then nowhere."""
    with pytest.raises(ConfigErrors) as refused:
        load(tmp_path, with_value(("regions", "peers", "us", "api_key"), "${SUPPORTMAX_US_KEY}"))
    (only,) = refused.value.errors
    assert only.key == "regions.peers.us.api_key"
    assert only.message.startswith("SUPPORTMAX_US_KEY not set; set it")


def test_a_directory_keeps_people_out_also_while_its_provider_is_not_configured(
    tmp_path: Path,
) -> None:
    """Else whoever another provider of the tenant knows would come in unknown to the directory."""
    tree = yaml.safe_load(with_value(("sso_providers", "corp", "issuer"), "${NOPE}"))
    tree["sso"]["tenant"] = "acme"
    settings = load(tmp_path, yaml.safe_dump(tree))
    with pytest.raises(ConfigError, match=r"corp is not configured \(NOPE not set\)") as refused:
        directories_of(settings, identities_of(settings))
    assert refused.value.key == "scim[0].provider"
