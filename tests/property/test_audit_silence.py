"""The log keeps no words: whatever is sent, to whatever route, none of it is in any file of it."""

import asyncio
import tempfile
from pathlib import Path
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audit_world import AuditWorld
from tests.unit.ingress.audit_table import Table

NAMES = st.text(st.characters(codec="ascii", categories=["Ll", "Nd"]), min_size=6, max_size=12)
SECRETS = st.one_of(
    NAMES.map(lambda name: f"{name}@example.org"),
    st.integers(10**15, 10**16 - 1).map(str),
    st.binary(min_size=24, max_size=24).map(lambda raw: f"smk_{raw[:8].hex()}_{raw.hex()}"),
    st.integers(10**9, 10**10 - 1).map(lambda number: f"+49{number}"),
    st.text(min_size=8, max_size=60).map(lambda text: f"xq{text}zj"),
    NAMES.map(lambda name: f"My name is {name} and my cat is ill"),
)


@given(secret=SECRETS, how=st.sampled_from(["refuse ", "break ", ""]))
@settings(max_examples=40, deadline=None)
def test_nothing_of_a_request_is_in_the_log(secret: str, how: str) -> None:
    """As a body, an id in a path, a parameter, a header, a key, and as the caller's own name."""
    with tempfile.TemporaryDirectory() as path:
        world = AuditWorld(Path(path))
        asyncio.run(_send_everywhere(world, secret, how))
        kept = world.everything()
        rows = world.records()
    # A slash in it makes another path of it, and that one is nobody's route.
    assert sum(bool(row["tenant"]) for row in rows) >= (2 if "/" in secret else 8)
    for form in (secret, quote(secret), secret.encode("unicode_escape").decode("ascii")):
        assert form.encode("utf-8", "surrogatepass") not in kept


async def _send_everywhere(world: AuditWorld, secret: str, how: str) -> None:
    table = Table(subject=f"okta:{secret}")
    in_path = quote(secret, safe="")
    in_header = quote(secret)
    async with world.trail() as trail, table.client(trail) as http:
        for authorization in ("Bearer all", "Bearer nothing", f"Bearer {in_header}"):
            headers = {"authorization": authorization, "x-request-id": in_header}
            query = {"since": secret}
            body = {"message": f"{how}{secret}"}
            await http.get("/healthz", headers=headers, params=query)
            await http.get(f"/v3/things/{in_path}", headers=headers, params=query)
            await http.post("/v3/chat", headers=headers, params=query, json=body)
            await http.put(f"/admin/things/{in_path}", headers=headers, params=query, json=body)
            await http.put(f"/admin/things/{in_path}", headers=headers, json={secret: secret})
            await http.delete(f"/admin/things/{in_path}", headers=headers, params=query)
            await http.get(f"/{in_path}", headers=headers)
