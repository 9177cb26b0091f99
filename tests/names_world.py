"""Real spaCy pipelines read by real Presidio, in the judges' Python: `make judges` installs it."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from deployments.privacy.names import Names
from routing.clock import Clock, SystemClock
from tests.judges.judge import REPOSITORY, program

JUDGE = REPOSITORY / ".judges/names"
PYTHON = JUDGE / "bin/python"
MAKE_S = 120.0
_MAKER = REPOSITORY / "tests/judges/name_pipeline.py"


def made_pipelines() -> Path:
    """A folder with the pipelines `en`, `fr` and `de`; the last finds no people.

    They are kept for the next run, since training the English one takes 9 s of a processor.
    """
    python = program(PYTHON)
    folder = JUDGE / f"pipelines-{sha256(_MAKER.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=JUDGE) as place:
            subprocess.run(
                [python, str(_MAKER), f"{place}/made"],
                check=True,
                timeout=MAKE_S,
                env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"},
            )
            try:
                Path(place, "made").rename(folder)
            except OSError:
                if not folder.exists():  # another run was as fast
                    raise
    return folder


@contextmanager
def reading(*pipelines: Path, clock: Clock | None = None) -> Iterator[Names]:
    """A reader of these that is ready."""
    names = Names([str(path) for path in pipelines], clock or SystemClock(), program(PYTHON))
    try:
        names.start()
        yield names
    finally:
        names.close()
