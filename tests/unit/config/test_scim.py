"""Which directories there are: each of a provider that is there, and one of a tenant."""

from pathlib import Path

import pytest

from actors.database import Database
from actors.database.directory_changes import DirectoryChanges
from config import check
from config.identity import identities_of
from config.scim import directories_of
from config.settings import Settings
from deployments.security.standing import Standing
from routing.clock import ManualClock
from routing.errors import ConfigError
from tests.scim_world import directory_settings


def settings_with(*scim: dict[str, object], tenant: str | None = "acme") -> Settings:
    plain = directory_settings().model_dump(mode="json")
    plain["sso"]["tenant"] = tenant
    return Settings.model_validate({**plain, "scim": list(scim)})


def test_a_directory_is_its_providers_tenants() -> None:
    settings = settings_with({"provider": "oidc"}, {"provider": "other-1", "subject": "userName"})
    first, second = directories_of(settings, identities_of(settings))
    assert (first.tenant, first.subject, first.folds) == ("acme", "externalId", False)
    assert (second.tenant, second.provider, second.folds) == ("acme1", "other-1", True)
    assert first.require_provisioned, "whom nobody knows is not let in unless somebody says so"


@pytest.mark.parametrize(
    ("scim", "tenant", "key"),
    [
        ([{"provider": "odic"}], "acme", "scim[0].provider"),
        ([{"provider": "oidc"}, {"provider": "oidc"}], "acme", "scim[1]"),
        ([{"provider": "oidc"}, {"provider": "other-1"}], "acme1", "scim[1]"),
    ],
)
def test_a_directory_that_would_watch_over_nobody_is_refused(
    scim: list[dict[str, object]], tenant: str, key: str
) -> None:
    """A slip of the pen in the name would let in whoever was put out."""
    settings = settings_with(*scim, tenant=tenant)
    with pytest.raises(ConfigError) as caught:
        directories_of(settings, identities_of(settings))
    assert caught.value.key == key


def test_a_provider_that_is_not_set_up_has_no_directory_yet() -> None:
    """Nobody comes in by it either."""
    settings = settings_with({"provider": "oidc"}, tenant=None)
    assert directories_of(settings, identities_of(settings)) == ()


def test_a_rule_gives_no_role_that_there_is_not(tmp_path: Path) -> None:
    rule = {"group": "g", "role": "emperor"}
    settings = settings_with({"provider": "oidc", "roles": [rule]})
    rules = directories_of(settings, identities_of(settings))
    changes = DirectoryChanges(Database(tmp_path / "x.db"))
    with pytest.raises(ConfigError, match="emperor"):
        Standing(rules, {"agent": frozenset()}, changes, ManualClock())


def test_check_names_a_provider_that_a_directory_shuts_out(tmp_path: Path) -> None:
    """Of the same tenant alone, and where whoever is not known is to stay out."""
    plain = "provider: oidc, client_id: a, tenant: "
    text = (
        f"sso: {{{plain}acme, issuer: 'https://login.acme.test'}}\nsso_providers:\n"
        f"  second: {{{plain}acme, issuer: 'https://second.test'}}\n"
        f"  other: {{{plain}globex, issuer: 'https://other.test'}}\n"
    )
    for required, told in ((True, 1), (False, 0)):
        scim = f"scim: [{{provider: oidc, require_provisioned: {str(required).lower()}}}]\n"
        (tmp_path / "x.yaml").write_text(text + scim)
        code, lines = check.run([tmp_path / "x.yaml"], {}, "development")
        found = [line for line in lines if line.startswith("warning: nobody of second comes in")]
        assert (code, len(found)) == (0, told)


def test_check_says_what_is_wrong_with_a_directory(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("scim: [{provider: nobody}]\n")
    code, lines = check.run([tmp_path / "x.yaml"], {}, "development")
    said = "x.yaml:1: scim[0].provider: there is no provider nobody; there are: none, write one"
    assert (code, said in lines[0]) == (1, True)
