"""What sealing costs: a turn of 500 bytes sealed and opened, keys at hand, and an answer's share of it.

Beside it AES-GCM alone, which is less than a text in a column needs: no place, no base64.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from rich.table import Table

from actors.database import open_database
from actors.database.data_keys import DataKeys
from actors.database.sealed_places import TURN_TEXT
from actors.sealing.provider import Providers
from actors.sealing.ring import KeyRing
from deployments.key_management.file import FileProvider, make_data_keys
from routing.clock import SystemClock
from tests.bench.report import Target, plain_targets, targets_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

_TEXT = "I was charged twice in November; do I get my money back? " * 9
_ROW = ("conv_0123456789abcdef0123456789abcdef", 17)
_BATCH, _BATCHES = 500, 10
# An answer seals two turns for the database and two for the window, and opens a window of 20.
_SEALED, _OPENED = 4, 20
# What an answer takes of a processor (`python -m tests.bench road`), in microseconds.
_ANSWER_US = 5_000.0
SEAL_US, OPEN_US, SHARE = 15.0, 15.0, 0.05


@dataclass(frozen=True, slots=True)
class Sealed:
    """CPU microseconds of one each, the best batch; `share` is of an answer's CPU."""

    seal_us: float
    open_us: float
    keys_us: float
    cipher_us: float
    share: float


def measure(progress: "Progress") -> Sealed:
    """One text, thousands of times."""
    bar = progress.add_task("sealing", total=1)
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(_measure(Path(folder)))
    progress.advance(bar)
    return found


async def _measure(folder: Path) -> Sealed:
    make_data_keys(folder / "data.keys")
    database = open_database(folder / "x.db")
    await database.migrate()
    provider = FileProvider(folder / "data.keys")
    ring = KeyRing(
        DataKeys(database), Providers(provider, {provider.name: provider}), SystemClock()
    )
    keys = await ring.to_seal("acme")
    text = _TEXT[:500]
    sealed = keys.seal(TURN_TEXT, _ROW, text)
    seal_us = _best_us(lambda: keys.seal(TURN_TEXT, _ROW, text))
    open_us = _best_us(lambda: keys.open(TURN_TEXT, _ROW, sealed))
    cipher, plain = AESGCM(os.urandom(32)), text.encode()
    cipher_us = _best_us(lambda: cipher.encrypt(os.urandom(12), plain, b"place"))
    began = time.process_time()
    for _ in range(_BATCH * _BATCHES):
        await ring.to_open("acme")
    keys_us = (time.process_time() - began) / (_BATCH * _BATCHES) * 1e6
    await ring.aclose()
    await database.aclose()
    share = (_SEALED * seal_us + _OPENED * open_us) / _ANSWER_US
    return Sealed(seal_us, open_us, keys_us, cipher_us, share)


def _best_us(work: Callable[[], object]) -> float:
    best_s = float("inf")
    for _ in range(_BATCHES):
        began = time.process_time()
        for _ in range(_BATCH):
            work()
        best_s = min(best_s, time.process_time() - began)
    return best_s / _BATCH * 1e6


def targets(found: Sealed) -> list[Target]:
    """The promises and what became of them."""
    return [
        Target("a turn of 500 bytes sealed", found.seal_us, SEAL_US, "µs"),
        Target("the same opened", found.open_us, OPEN_US, "µs"),
        Target("of an answer with 20 turns", found.share * 100, SHARE * 100, "%"),
    ]


def show(found: Sealed, console: "Console") -> None:
    """For people."""
    table = Table(title="Sealing, CPU microseconds", title_justify="left")
    for column in ("what", "measured"):
        table.add_column(column, justify="left" if column == "what" else "right")
    table.add_row("a tenant's keys, at hand", f"{found.keys_us:.1f}")
    table.add_row("AES-GCM alone", f"{found.cipher_us:.1f}")
    console.print(table)
    console.print(targets_table(targets(found)))


def plain(found: Sealed) -> dict[str, object]:
    """For bench.json."""
    figures = {name: round(value, 3) for name, value in asdict(found).items()}
    return {"sealing": {**figures, "targets": plain_targets(targets(found))}}
