"""A folder for heads that the configuration names is on another disk, or it is none."""

from pathlib import Path

import pytest

from actors.database.engine import open_database
from config.audit import AuditSettings
from deployments.auditing import AuditDesk
from deployments.boot import Boot
from deployments.security.principal import Principal
from deployments.security.trail import Deed
from routing.clock import ManualClock


@pytest.mark.parametrize("is_mounted", [True, False])
async def test_it_is_not_made_and_is_named_while_heads_cannot_be_written(
    tmp_path: Path, is_mounted: bool
) -> None:
    """A volume that is not mounted would be made on the very disk that heads are kept away from."""
    home, heads = tmp_path / "home", tmp_path / "mnt" / "heads"
    home.mkdir()
    if is_mounted:
        heads.mkdir(parents=True)
    clock, database = ManualClock(), open_database(home / "x.sqlite")
    settings = AuditSettings(heads_folder=str(heads))
    desk = AuditDesk(Boot(home, "development"), settings, "ingress", database, clock)
    assert desk.degraded == ()
    await desk.trail.commit(Principal("acme", "key:k"), Deed("PUT /budgets/{id}", "begun"))
    await desk.aclose()
    assert desk.degraded == (() if is_mounted else ("audit_heads",))
    assert heads.exists() == is_mounted
    assert not (home / "audit-heads").exists()
    await database.aclose()


async def test_the_folder_of_the_data_directory_is_made(tmp_path: Path) -> None:
    clock, database = ManualClock(), open_database(tmp_path / "x.sqlite")
    boot = Boot(tmp_path, "development")
    desk = AuditDesk(boot, AuditSettings(), "ingress", database, clock)
    await desk.trail.commit(Principal("acme", "key:k"), Deed("PUT /budgets/{id}", "begun"))
    await desk.aclose()
    assert list(boot.audit_heads.rglob("*.heads"))
    await database.aclose()
