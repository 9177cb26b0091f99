"""A process that is killed in the middle of refunds: said again under their keys, each is made once."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from routing.message import Json
from tests.unit.tools.desk import calling, opened

ROOT = Path(__file__).parents[3]
INVOICE = "INV-2026-0001"
CENTS = 10
WRITERS = 8

# A line is printed only once the refund is said to be made.
PROGRAM = f"""
import asyncio, os, sys
from pathlib import Path
from tests.unit.tools.desk import calling, opened
from tests.unit.tools.test_refund_crash import asked

async def writer(desk, name):
    for n in range(100_000):
        key = f"{{name}}-{{n}}"
        outcome = await desk.runner.run(calling("admin", "user_128"), "refund_invoice", asked(), key)
        if outcome.is_error:
            return
        os.write(1, f"{{key}} {{outcome.body['refund_id']}}\\n".encode())

async def main():
    async with opened(Path(sys.argv[1])) as desk:
        await asyncio.gather(*(writer(desk, n) for n in range({WRITERS})))

asyncio.run(main())
"""


def asked() -> dict[str, Json]:
    return {"invoice_id": INVOICE, "reason": "GOODWILL", "amount_usd": CENTS / 100}


@pytest.mark.parametrize("made_before_the_kill", [1, 61, 403])
def test_a_killed_process_has_made_what_it_said_and_a_repeat_makes_nothing_twice(
    tmp_path: Path, made_before_the_kill: int
) -> None:
    path = tmp_path / "desk.db"
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)], stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(made_before_the_kill)]
        process.kill()
        lines += process.stdout.readlines()
    told = dict(line.decode().split() for line in lines if line.endswith(b"\n"))
    assert len(told) >= made_before_the_kill

    async def verify() -> None:
        async with opened(path) as desk:
            made = await desk.scalar("SELECT count(*) FROM refund")
            assert made >= len(told)
            assert await desk.refunded_cents(INVOICE) == made * CENTS
            caller, again = calling("admin", "user_128"), {}
            for key in told:
                outcome = await desk.runner.run(caller, "refund_invoice", asked(), key)
                again[key] = outcome.body["refund_id"]
            assert again == told
            assert await desk.scalar("SELECT count(*) FROM refund") == made
            query = "SELECT count(*) FROM tool_call c JOIN refund r ON r.call_id = c.id"
            assert await desk.scalar(query) == made

    asyncio.run(verify())
