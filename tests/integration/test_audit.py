"""The audit log of the whole product: found over HTTP, verified from outside, and in nobody's way."""

import os
import subprocess
import sys
from pathlib import Path

import anyio
import httpx2

from tests.integration.talk import MESSAGE
from tests.product import REPOSITORY, Product

FOUND_S = 20.0
BUDGET = {"scope": "tenant", "usd_per_day": 900}
MAIL = "ann.secret@example.org"


async def until_found(
    http: httpx2.AsyncClient, count: int, **asked: str
) -> list[dict[str, object]]:
    with anyio.fail_after(FOUND_S):
        while True:
            answer = await http.get("/v3/audit", params={**asked, "limit": "1000"})
            assert answer.status_code == 200, answer.text
            rows: list[dict[str, object]] = answer.json()["records"]
            if len(rows) >= count:
                return rows
            await anyio.sleep(0.1)


def command(product: Product, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """`supportmax audit …` beside the running product, on its data directory."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("supportmax")), "audit", *arguments],
        env={**os.environ, **product.environment, "SUPPORTMAX_HOME": str(product.home)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_a_change_is_found_by_its_request_and_the_running_chains_hold_together(
    product: Product, http: httpx2.AsyncClient
) -> None:
    """Before and after, under the id the caller was given; nothing anybody wrote is in the files."""
    named = "audit-0123456789"
    made = await http.put(f"/admin/budgets/{named}", json=BUDGET)
    assert made.status_code == 200, made.text
    await http.post("/v3/chat", json={"message": f"I am {MAIL}: {MESSAGE}", "user_id": MAIL})
    await http.get(f"/v3/decisions/{MAIL}")
    rows = await until_found(http, 2, object=named)
    request = made.headers["x-supportmax-request"]
    told = [(row["outcome"], row["status"]) for row in rows if row["request_id"] == request]
    assert told == [("done", 200), ("begun", 0)]
    assert (await http.delete(f"/admin/budgets/{named}")).status_code == 200
    await until_found(http, 4, object=named)
    await until_found(http, 1, object=MAIL)
    verified = command(product, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    exported = command(product, "export", "--object", named)
    assert exported.stdout.count("\n") == 4, exported.stderr
    kept = b"".join(path.read_bytes() for path in (product.home / "audit").rglob("*.*"))
    for secret in (MAIL, MESSAGE, named, product.key):
        assert secret.encode() not in kept


async def test_without_its_folder_changes_are_refused_before_anything_is_done_and_chats_go_on(
    product: Product, http: httpx2.AsyncClient
) -> None:
    """503 `audit_unavailable` for budgets, keys and breakers; the folder comes back, and so do they."""
    folder = product.home / "audit"
    # The first record opens the chain, if no test before did.
    assert (await http.put("/admin/budgets/audit-before", json=BUDGET)).status_code == 200
    folder.rename(product.home / "audit-away")
    try:
        breaker = {"target": "openai", "state": "open", "for_s": 60, "reason": "never"}
        key = {"name": "never", "roles": ["agent"]}
        for method, path, body in (
            ("PUT", "/admin/budgets/audit-never", BUDGET),
            ("DELETE", "/admin/budgets/audit-before", None),
            ("POST", "/admin/platforms/breaker", breaker),
            ("POST", "/admin/keys", key),
        ):
            answer = await http.request(method, path, json=body)
            told = (answer.status_code, answer.json()["code"])
            assert told == (503, "audit_unavailable"), (path, answer.text)
        assert (await http.get("/v3/budgets/audit-never")).status_code == 404
        assert (await http.get("/v3/budgets/audit-before")).status_code == 200
        assert (await http.get("/admin/platforms/breaker")).json() == {"overrides": []}
        assert (await http.post("/v3/chat", json={"message": MESSAGE})).status_code == 200
        assert command(product, "verify").returncode == 1
    finally:
        (product.home / "audit-away").rename(folder)
    assert (await http.delete("/admin/budgets/audit-before")).status_code == 200
    await until_found(
        http, 1, object="audit-before", action="DELETE /admin/budgets/{id}", outcome="done"
    )
    assert command(product, "verify").returncode == 0


async def test_who_may_not_read_it_is_refused_and_that_is_on_record(
    product: Product, http: httpx2.AsyncClient
) -> None:
    """The denial names the permission that was wanting."""
    made = await http.post("/admin/keys", json={"name": "no auditor", "roles": ["agent"]})
    assert made.status_code == 200, made.text
    async with product.http(made.json()["secret"]) as agent:
        refused = await agent.get("/v3/audit")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    rows = await until_found(http, 1, outcome="denied", action="GET /v3/audit")
    assert (rows[0]["permission"], rows[0]["reason"]) == ("audit:read", "forbidden")
    assert str(rows[0]["subject"]).startswith("key:")
