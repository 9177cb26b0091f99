"""A tenant's directory says who is known: what another provider of the tenant says lets nobody in."""

from pathlib import Path

import pytest

from actors.database.approvals import Approvals, NewApproval
from actors.database.directory_changes import DirectoryChanges
from config.scim import DirectoryRules
from deployments.security.errors import TurnedAway
from deployments.security.principal import Principal
from deployments.security.standing import FRESH_S, Standing
from tests.scim_world import Directory, Scim, directory, directory_settings

NOW = 1_800_000_000.0


async def standing(world: Directory, *, required: bool) -> Standing:
    rules = DirectoryRules("acme", "oidc", "externalId", required, ())
    found = Standing([rules], {}, DirectoryChanges(world.database), world.clock)
    await found.refresh()
    return found


def caller(subject: str, owner: str | None = None) -> Principal:
    return Principal("acme", subject, as_of=NOW * 2, owner=owner)


async def test_whom_another_provider_of_the_tenant_vouches_for_does_not_stand(
    tmp_path: Path,
) -> None:
    """Nobody could put them out; keys, and people of tenants without a directory, are as they were."""
    async with directory(tmp_path, directory_settings()) as world:
        scim = Scim(world.http, await world.key("provisioner"))
        await scim.person("ann")
        await scim.person("robot")
        known = await standing(world, required=True)
        for subject in ("oidc:ann", "client:oidc:robot"):
            known.must_stand(caller(subject))
        for subject in (
            "ldap:ann",
            "adfs:ann",
            "client:other-1:robot",
            "client:oidc:else",
            "oidc:x",
        ):
            with pytest.raises(TurnedAway) as refused:
                known.must_stand(caller(subject))
            assert (refused.value.who.subject, refused.value.why) == (subject, "not_active")
        known.must_stand(caller("key:1"))
        known.must_stand(caller("key:1", owner="ldap:ann"))
        known.must_stand(Principal("globex", "ldap:ann"))
        lenient = await standing(world, required=False)
        for subject in ("ldap:ann", "client:oidc:else", "oidc:x"):
            lenient.must_stand(caller(subject))
        await known.aclose()
        await lenient.aclose()


def approval(name: str, principal: str, person: str, at: float) -> NewApproval:
    return NewApproval(
        "acme", name, name, "tools__refund", {}, "hash", "why", "what", principal, ("agent",),
        None, None, True, at, at + 86_400, person,
    )  # fmt: skip


async def test_what_somebody_asked_for_ends_with_them(tmp_path: Path) -> None:
    """By themselves and by keys of theirs, waiting or approved; and their yes counts no more."""
    async with directory(tmp_path, directory_settings()) as world:
        scim = Scim(world.http, await world.key("provisioner"))
        ann = await scim.person("ann")
        store, now = Approvals(world.database), world.clock.now()
        for name, principal, person in (
            ("theirs", "oidc:ann", "oidc:ann"),
            ("by-a-key", "key:1", "oidc:ann"),
            ("approved", "oidc:ann", "oidc:ann"),
            ("denied", "oidc:ann", "oidc:ann"),
            ("by-their-program", "client:oidc:ann", "client:oidc:ann"),
            ("anothers", "oidc:bob", "oidc:bob"),
            ("nobodys", "key:2", "key:2"),
        ):
            assert await store.request(approval(name, principal, person, now)) is not None
        await store.decide("acme", "approved", "approved", "oidc:bob", "oidc:bob", ("admin",), now)
        await store.decide("acme", "denied", "denied", "oidc:bob", "oidc:bob", ("admin",), now)
        agreed = await store.agree("acme", "nobodys", "oidc:ann", now)
        assert agreed is not None
        assert agreed.first_by == "oidc:ann"
        out = {"op": "replace", "path": "active", "value": False}
        assert (await scim.patch(f"/Users/{ann['id']}", out)).status_code == 200
        world.clock.ahead_s += FRESH_S
        states = {row.id: row.state for row in await store.list("acme", None, now, 50)}
        assert states == {
            "theirs": "expired", "by-a-key": "expired", "approved": "expired", "denied": "denied",
            "by-their-program": "expired", "anothers": "waiting", "nobodys": "waiting",
        }  # fmt: skip
        assert not await store.spend("acme", "approved", now)
        left = await store.get("acme", "nobodys", now)
        assert left is not None
        assert left.first_by is None
