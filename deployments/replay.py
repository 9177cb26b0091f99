"""`supportmax decision`: a kept decision, shown, or taken again to see that it comes out the same."""

import json
from collections.abc import Mapping

from actors.database.decisions import DecisionRow, Decisions
from actors.database.engine import Database, open_database
from actors.database.worlds import Worlds
from deployments.agent.certificate import read_certificate, replay
from deployments.boot import Boot
from deployments.database import address_of
from routing.errors import RequestError
from routing.message import Json


async def show(boot: Boot, tenant: str, decision_id: str) -> None:
    """Print a kept decision as JSON."""
    database = open_database(address_of(boot))
    try:
        print(json.dumps((await _kept(database, tenant, decision_id)).body, indent=2))  # noqa: T201
    finally:
        await database.aclose()


async def again(boot: Boot, tenant: str, decision_id: str) -> bool:
    """Take a kept decision again and say whether it came out the same, to the last digit.

    Raises:
        RequestError: there is no such decision, its certificate is another version's, or
            the state of the world it was taken on is not kept any more.
    """
    database = open_database(address_of(boot))
    try:
        body = dict((await _kept(database, tenant, decision_id)).body)
        match body.pop("certificate", None):
            case dict(plain):
                certificate = read_certificate(plain)
            case _:
                message = "it was kept before there were certificates, and cannot be replayed"
                raise RequestError("certificate_unreadable", message)
        names = (certificate.catalog, certificate.snapshot)
        parts = await Worlds(database).get(names)
    finally:
        await database.aclose()
    decision = replay(certificate, parts, decision_id)
    # Through JSON, as the kept one went.
    now = json.loads(json.dumps({**decision.to_json(), "world": body["world"]}))
    if now == body:
        print(f"{decision_id}: {decision.chosen} again, bit for bit")  # noqa: T201
        return True
    print(f"{decision_id}: not the same:")  # noqa: T201
    for line in _differences(body, now):
        print(f"  {line}")  # noqa: T201
    return False


async def _kept(database: Database, tenant: str, decision_id: str) -> DecisionRow:
    row = await Decisions(database).get(tenant, decision_id)
    if row is None:
        raise RequestError("not_found", f"{tenant} has no decision {decision_id[:64]}")
    return row


def _differences(kept: Mapping[str, Json], now: Mapping[str, Json]) -> list[str]:
    names = sorted({*kept, *now})
    return [
        f"{name}: kept {json.dumps(kept.get(name))}, now {json.dumps(now.get(name))}"
        for name in names
        if kept.get(name) != now.get(name)
    ]
