"""What gives nothing back has kinds in place of values: logs, and what a vendor embeds."""

import io
import logging
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import pytest
from typing_extensions import override

from actors.knowledge.embed import Embedder, Vectors
from config.privacy import PrivacySettings
from deployments.bare_logs import FRAMES_MAX, bare_logs
from deployments.knowledge.discreet import DiscreetEmbedder
from deployments.privacy.bare import Bare
from deployments.privacy.find import Finder

EMAIL, CARD = "casey@example.com", "4111 1111 1111 1111"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a log that is bare from now on writes."""
    before = logging.getLogRecordFactory()
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("bare")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield out
    finally:
        logger.removeHandler(handler)
        logging.setLogRecordFactory(before)


def test_a_line_of_a_log_names_the_kind_and_not_the_value(written: io.StringIO) -> None:
    bare_logs(PrivacySettings())
    logging.getLogger("bare").error("%s paid with %s from %s", EMAIL, CARD, "203.0.113.7")
    assert written.getvalue() == "[EMAIL] paid with [CARD] from 203.0.113.7\n"


def test_a_traceback_in_a_log_names_the_kind_and_not_the_value(written: io.StringIO) -> None:
    bare_logs(PrivacySettings())
    try:
        int(EMAIL)
    except ValueError:
        logging.getLogger("bare").exception("it failed")
    assert "'[EMAIL]'" in written.getvalue()
    assert EMAIL not in written.getvalue()


def deep(levels: int) -> None:
    """Fall down a hole of two steps, which no traceback folds into one line."""
    deeper(levels - 1)


def deeper(levels: int) -> None:
    if not levels:
        raise RecursionError(EMAIL)
    deep(levels)


@pytest.mark.parametrize("pii", ["seal", "off"])
def test_a_recursion_is_logged_by_its_innermost_frames(
    written: io.StringIO, pii: Literal["seal", "off"]
) -> None:
    """One request was 325 KB of log: it says no more than its end does."""
    bare_logs(PrivacySettings(pii=pii))
    try:
        deep(200)
    except RecursionError:
        logging.getLogger("bare").exception("it failed")
    assert written.getvalue().count("test_bare.py") == FRAMES_MAX
    assert "raise RecursionError" in written.getvalue()
    assert (EMAIL in written.getvalue()) is (pii == "off")


@pytest.mark.parametrize("pii", ["seal", "off"])
def test_who_says_that_there_is_no_traceback_is_logged(
    written: io.StringIO, pii: Literal["seal", "off"]
) -> None:
    """As asyncio does of a task that nobody waits for."""
    bare_logs(PrivacySettings(pii=pii))
    logging.getLogger("bare").error("pending", exc_info=False)
    assert written.getvalue() == "pending\n"


def test_a_line_that_logging_cannot_format_is_left_to_logging(written: io.StringIO) -> None:
    bare_logs(PrivacySettings())
    record = logging.getLogRecordFactory()("bare", 40, "a.py", 1, "%d", ("none",), None)
    assert record.args == ("none",)


def test_a_log_stays_as_it_is_where_nothing_is_sealed(written: io.StringIO) -> None:
    bare_logs(PrivacySettings(pii="off"))
    logging.getLogger("bare").error(EMAIL)
    assert written.getvalue() == f"{EMAIL}\n"


def test_logs_are_made_bare_once(written: io.StringIO) -> None:
    bare_logs(PrivacySettings())
    made = logging.getLogRecordFactory()
    bare_logs(PrivacySettings())
    assert logging.getLogRecordFactory() is made


class Heard(Embedder):
    """An embedder that remembers what it was asked."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    @property
    @override
    def model(self) -> str:
        return "heard@1"

    @property
    @override
    def dimensions(self) -> int:
        return 2

    @override
    def embed(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        return np.ones((len(texts), 2), np.float32)


def test_a_vendors_embedder_is_told_kinds() -> None:
    heard = Heard()
    embedder = DiscreetEmbedder(heard, Bare(Finder()))
    assert embedder.embed([f"I am {EMAIL}", "plain"]).shape == (2, 2)
    assert heard.texts == ["I am [EMAIL]", "plain"]
    assert (embedder.model, embedder.dimensions) == ("heard@1", 2)
