"""Whoever is known and not let in is on record under their tenant, and is told what a stranger is told."""

from pathlib import Path

from actors.database import Accounts
from actors.database.accounts import NewApiKey
from deployments.security.api_keys import CACHE_S
from deployments.security.pepper import read_pepper
from deployments.security.principal import Principal
from deployments.security.standing import FRESH_S
from deployments.security.trail import STRANGERS_PER_MINUTE, TURNED_AWAY_PER_MINUTE, Deed
from tests.audit_world import AuditWorld
from tests.scim_world import Directory, Scim, directory, directory_settings


def shown(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def denied(world: Directory) -> list[tuple[object, ...]]:
    """Tenant, subject, credential and reason of every refusal of the probe."""
    return [
        (row["tenant"], row["subject"], row["credential"], row["reason"], row["status"])
        for row in world.audit.records()
        if (row["outcome"], row["action"]) == ("denied", "GET /probe")
    ]


async def test_the_use_of_a_key_that_opens_nothing_any_more_is_the_tenants_to_see(
    tmp_path: Path,
) -> None:
    """Revoked, expired, from elsewhere, of somebody put out: the answer is the same word for word."""
    async with directory(tmp_path, directory_settings()) as world:
        accounts = Accounts(world.database, read_pepper(tmp_path / "api-keys.pepper"))

        async def made(**kept: object) -> NewApiKey:
            roles = frozenset({"service"})
            return await accounts.create_key("acme", "k", roles, world.clock.now(), **kept)  # type: ignore[arg-type]

        scim = Scim(world.http, await world.key("provisioner"))
        ann = await scim.person("ann")
        live, abroad = await made(), await made(networks=("10.1.0.0/16",))
        short, late = (
            await made(expires_at=world.clock.now() + 60),
            await made(created_by="oidc:ann"),
        )
        assert (await world.http.get("/probe", headers=shown(live.secret))).status_code == 200
        assert (await world.http.get("/probe", headers=shown(short.secret))).status_code == 200
        await accounts.revoke_key("acme", live.key.key_id, world.clock.now())
        await scim.patch(f"/Users/{ann['id']}", {"op": "replace", "path": "active", "value": False})
        unnoticed = await made(created_by="oidc:ann")
        world.clock.ahead_s += 60 + CACHE_S + FRESH_S
        wrong = live.secret[:-1] + ("A" if live.secret[-1] != "A" else "B")
        every = [live, abroad, short, late, unnoticed]
        answers = [
            await world.http.get("/probe", headers=shown(secret))
            for secret in (wrong, *(each.secret for each in every))
        ]
        assert {answer.status_code for answer in answers} == {401}
        told = {
            tuple(sorted((k, v) for k, v in answer.json().items() if k != "instance"))
            for answer in answers[:-1]
        }
        assert len(told) == 1
    keys = [f"key:{each.key.key_id}" for each in every]
    words = ("key_revoked", "key_network", "key_expired", "key_revoked", "not_active")
    assert denied(world) == [
        ("", "", "none", "unauthenticated", 401),
        *(("acme", key, "api_key", word, 401) for key, word in zip(keys, words, strict=True)),
    ]


async def test_a_stolen_key_does_not_fill_the_disk_and_is_not_hidden_by_strangers(
    tmp_path: Path,
) -> None:
    """Each tenant's are counted apart, and what is not recorded one by one is recorded as a number."""
    audit = AuditWorld(tmp_path)
    deed = Deed("GET /probe", "denied", reason="key_revoked")
    async with audit.trail() as trail:
        for _ in range(STRANGERS_PER_MINUTE + 100):
            trail.note(Principal("", ""), deed)
        for _ in range(TURNED_AWAY_PER_MINUTE + 7):
            trail.turned_away(Principal("acme", "key:1"), deed)
        trail.turned_away(Principal("globex", "key:2"), deed)
        audit.clock.advance(61)
        trail.turned_away(Principal("acme", "key:1"), deed)
    rows = [row for row in audit.records() if row["action"] == "GET /probe"]
    by_tenant = [sum(row["tenant"] == name for row in rows) for name in ("", "acme", "globex")]
    assert by_tenant == [STRANGERS_PER_MINUTE, TURNED_AWAY_PER_MINUTE + 1, 1]
    counted = [row for row in audit.records() if row["action"] == "audit.turned_away"]
    assert [(row["tenant"], row["count"]) for row in counted] == [("acme", 7)]
