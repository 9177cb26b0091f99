"""A person's data in the whole product: given to them, and gone, also while they are being answered."""

import hashlib
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx2
import orjson

from tests.integration.talk import MESSAGE
from tests.product import REPOSITORY, Product

# Unlike any other text on this machine.
CUSTOMER, CANARY = "customer-91c2f7", "canary-7e1bd0"
OTHER = "customer-0aa3d4"


def command(product: Product, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """`supportmax …` beside the running product, on its data directory."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("supportmax")), *arguments],
        env={**os.environ, **product.environment, "SUPPORTMAX_HOME": str(product.home)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def named_in(file: Path, name: str) -> set[str]:
    """The tables that have the name in any row."""
    with closing(sqlite3.connect(file)) as connection:
        tables = [
            table
            for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type='table'")
        ]
        return {
            table
            for table in tables
            for row in connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608  our own tables
            if name in str(row)
        }


def told(lines: bytes) -> dict[str, int]:
    """What an export that is whole has in it."""
    *before, last = lines.splitlines(keepends=True)
    manifest = orjson.loads(last)["manifest"]
    assert manifest["sha256"] == hashlib.sha256(b"".join(before)).hexdigest()
    sections: dict[str, int] = manifest["sections"]
    return sections


async def test_what_somebody_said_is_given_to_them_and_erased_with_proof(
    product: Product, http: httpx2.AsyncClient
) -> None:
    """One life; each part rests on the one before."""
    asked = {"message": f"{MESSAGE} {CANARY}", "user_id": CUSTOMER}
    data = f"/v3/users/{CUSTOMER}/data"
    kept = {"Idempotency-Key": "user-data-1"}
    first = (await http.post("/v3/chat", json=asked, headers=kept)).json()
    await http.post("/v3/chat", json={"message": MESSAGE, "user_id": OTHER})

    exported = await http.get(data)
    assert CANARY.encode() in exported.content
    sections = told(exported.content)
    assert (sections["conversations"], sections["turns"], sections["kept_answers"]) == (1, 2, 1)
    printed = command(product, "user", "export", CUSTOMER)
    assert printed.returncode == 0, printed.stderr
    assert CANARY in printed.stdout
    assert told(printed.stdout.encode())["turns"] == 2

    assert (await http.put(f"/admin/holds/{CUSTOMER}")).status_code == 200
    assert (await http.delete(data)).status_code == 409
    assert command(product, "user", "erase", CUSTOMER, "--tenant", "northwind").returncode == 1
    assert (await http.delete(f"/admin/holds/{CUSTOMER}")).status_code == 200

    erased = await http.delete(data)
    assert erased.status_code == 200, erased.text
    body = erased.json()
    assert (body["erased"]["turns"], body["complete"]) == (2, True)
    again = command(product, "user", "erase", CUSTOMER, "--tenant", "northwind")
    assert again.returncode == 0, again.stderr
    assert orjson.loads(again.stdout)["erased"] == body["erased"]
    # Whom it is about is forgotten when it is settled.
    assert named_in(product.home / "supportmax.sqlite", CUSTOMER) == {"erasure"}
    going_on = asked | {"conversation_id": first["conversation_id"]}
    assert (await http.post("/v3/chat", json=going_on)).status_code == 404

    found = command(product, "audit", "search", "--object", CUSTOMER)
    assert body["proof"]["request_id"] in found.stdout
    assert f"sha256:{body['proof']['sha256']}" in found.stdout
    assert command(product, "audit", "verify").returncode == 0
    assert "conversation" in named_in(product.home / "supportmax.sqlite", OTHER)


async def test_an_answer_that_is_being_given_brings_nobody_back(
    product: Product, http: httpx2.AsyncClient
) -> None:
    """Erased between the first and the last word of a stream."""
    person = "customer-5f00e1"
    asked = {"message": MESSAGE, "user_id": person}
    await http.post("/v3/chat", json=asked)
    erased = 0
    async with http.stream("POST", "/v3/chat", json={**asked, "stream": True}) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("event: delta") and not erased:
                erased = (await http.delete(f"/v3/users/{person}/data")).status_code
    assert erased == 200
    # Answered, and not kept.
    later = await http.post("/v3/chat", json=asked)
    assert "conversation" in later.json()["degraded"]
    left = named_in(product.home / "supportmax.sqlite", person)
    assert left <= {"erasure", "budget_lease", "budget_spend"}
