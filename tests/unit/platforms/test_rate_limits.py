"""The headers that say what is left of our allowance, and whatever else may stand in them."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.platforms.rate_limits import (
    anthropic_limit,
    count_of,
    openai_limit,
    seconds_of,
)
from routing.clock import ManualClock, rfc3339
from routing.exchange import RateLimit

NOW = 1_795_348_800.0  # 2026-11-22T12:00:00Z
CLOCK = ManualClock(NOW)
OPENAI_HEADERS = {
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-remaining-requests": "9999",
    "x-ratelimit-reset-requests": "6ms",
    "x-ratelimit-limit-tokens": "2000000",
    "x-ratelimit-remaining-tokens": "1999000",
    "x-ratelimit-reset-tokens": "1m0s",
}
ANTHROPIC_HEADERS = {
    "anthropic-ratelimit-requests-limit": "4000",
    "anthropic-ratelimit-requests-remaining": "3999",
    "anthropic-ratelimit-requests-reset": "2026-11-22T12:00:20Z",
    "anthropic-ratelimit-tokens-limit": "2400000",
    "anthropic-ratelimit-tokens-remaining": "2390000",
    "anthropic-ratelimit-tokens-reset": "2026-11-22T12:00:10Z",
}


def openai(headers: Mapping[str, str]) -> RateLimit | None:
    return openai_limit(CLOCK, headers.get)


def anthropic(headers: Mapping[str, str]) -> RateLimit | None:
    return anthropic_limit(CLOCK, headers.get)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("2m59.56s", 179.56),
        ("850ms", 0.85),
        ("6ms", 0.006),
        ("1h30m", 5400.0),
        ("1d2h", 93_600.0),
        ("0s", 0.0),
        ("30", 30.0),
        ("120µs", 0.00012),
    ],
)
def test_a_duration_is_read_as_the_vendors_write_it(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [None, "", "soon", "-1s", "6m 0s", "6m0", "s", "1.5", "1e9s", "nan", "6x", "1s!", "9" * 60],
)
def test_what_is_no_duration_is_unknown(text: str | None) -> None:
    assert seconds_of(text) is None


@pytest.mark.parametrize("text", [None, "", "-1", "1.5", "1_000", "٣", "x", "9" * 30, " 1"])
def test_what_is_no_count_is_unknown(text: str | None) -> None:
    """Azure says -1 where a deployment has no limit: that is no headroom of minus one."""
    assert count_of(text) is None


def test_openais_headers_are_read_and_the_later_reset_counts() -> None:
    assert openai(OPENAI_HEADERS) == RateLimit(NOW, 9_999, 10_000, 1_999_000, 2_000_000, NOW + 60)


def test_anthropics_headers_are_read_and_the_later_reset_counts() -> None:
    assert anthropic(ANTHROPIC_HEADERS) == RateLimit(
        NOW, 3_999, 4_000, 2_390_000, 2_400_000, NOW + 20
    )


@pytest.mark.parametrize(
    ("read", "written", "left", "limit"),
    [("900", "500", 500, 600), ("90", "500", 90, 1_000), ("90", None, 90, 1_000)],
)
def test_without_anthropics_own_choice_the_scarcer_kind_of_tokens_counts(
    read: str, written: str | None, left: int, limit: int
) -> None:
    headers = {
        "anthropic-ratelimit-input-tokens-limit": "1000",
        "anthropic-ratelimit-input-tokens-remaining": read,
        "anthropic-ratelimit-output-tokens-limit": "600",
    }
    if written is not None:
        headers["anthropic-ratelimit-output-tokens-remaining"] = written
    said = anthropic(headers)
    assert said is not None
    assert (said.remaining_tokens, said.limit_tokens) == (left, limit)


def test_an_answer_without_such_headers_says_nothing() -> None:
    """A gateway that drops them, Google and Copilot Studio: unknown, and never zero."""
    assert openai({"content-type": "application/json"}) is None
    assert anthropic({"x-ratelimit-reset-tokens": "1s"}) is None


def test_a_part_that_is_garbage_leaves_the_others_readable() -> None:
    said = openai({**OPENAI_HEADERS, "x-ratelimit-remaining-tokens": "many"})
    assert said is not None
    assert (said.remaining_tokens, said.remaining_requests) == (None, 9_999)


@pytest.mark.parametrize(
    "reset",
    ["2026-11-22T12:00:20", "9999-12-31T23:59:59-14:00", "1970-01-01T00:00:00Z", "tomorrow"],
)
def test_a_reset_that_cannot_be_meant_is_unknown(reset: str) -> None:
    """Without a zone, or centuries away: it would be a date nobody can print."""
    names = ("requests", "tokens")
    said = anthropic(
        {**ANTHROPIC_HEADERS, **{f"anthropic-ratelimit-{name}-reset": reset for name in names}}
    )
    assert said is not None
    assert said.resets_at is None


@given(values=st.lists(st.text(max_size=60), min_size=6, max_size=6))
def test_no_header_however_strange_costs_an_answer(values: list[str]) -> None:
    """Whatever stands there, the result can be printed and nothing is raised."""
    for read, headers in ((openai, OPENAI_HEADERS), (anthropic, ANTHROPIC_HEADERS)):
        said = read(dict(zip(headers, values, strict=True)))
        if said is not None and said.resets_at is not None:
            assert rfc3339(said.resets_at)
