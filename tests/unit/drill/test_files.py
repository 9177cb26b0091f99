"""What a drill reads and writes: arrivals, latencies, scenarios; its page and its JSON."""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import orjson
import pytest

from deployments import cli
from deployments.drill.scenario import find_scenario, read_scenario
from deployments.drill.traffic import Asked, Latency, read_arrivals, read_latencies
from routing.errors import ConfigError

SCENARIO = """
summary: a short one
platforms: [openai, anthropic]
seconds: 20
faults:
  - {who: favourite, from: 5, to: 15, kind: down}
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_arrivals_are_seconds_or_timestamps_with_or_without_tokens(tmp_path: Path) -> None:
    """What people have: a log's times, a trace with tokens, a title above it."""
    seconds = written(tmp_path, "a.csv", "1.5\n2,10\n3,10,20\n")
    assert read_arrivals(seconds) == (Asked(1.5, 900, 120), Asked(2, 10, 120), Asked(3, 10, 20))
    stamps = "TIMESTAMP,Context,Generated\n2026-11-02 10:00:00.5,374,44\n2026-11-02 10:00:02,9,8\n"
    stamped = written(tmp_path, "b.csv", stamps)
    assert read_arrivals(stamped) == (Asked(0.0, 374, 44), Asked(1.5, 9, 8))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("1\nnext\n", 2),
        ("5\n4\n", 2),
        ("1\n-1\n", 2),
        ("1\nnan\n", 2),
        ("1\n2,many\n", 2),
        ("", None),
    ],
)
def test_an_arrival_that_cannot_be_is_named_with_its_line(
    tmp_path: Path, text: str, line: int | None
) -> None:
    """A drill over half a file would prove nothing."""
    with pytest.raises(ConfigError) as caught:
        read_arrivals(written(tmp_path, "a.csv", text))
    assert caught.value.line == line


def test_latencies_are_rows_of_a_platform(tmp_path: Path) -> None:
    """First byte and the pace after it, in seconds."""
    path = written(tmp_path, "l.csv", "platform,first,each\nopenai,0.4,0.01\nopenai,0.5,0.02\n")
    assert read_latencies(path) == {"openai": (Latency(0.4, 0.01), Latency(0.5, 0.02))}
    with pytest.raises(ConfigError):
        read_latencies(written(tmp_path, "m.csv", "openai,0.4,0.01\nopenai,soon,0.01\n"))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("kind: down", "kind: dwn"),
        ("to: 15", "to: 5"),
        ("who: favourite", "who: nobody"),
        ("from: 5", "from: -5"),
        ("seconds: 20", "seconds: 0"),
        ("summary: a short one", "sumary: a short one"),
    ],
)
def test_a_scenario_that_cannot_be_meant_is_refused_with_its_file(
    tmp_path: Path, broken: str, words: str
) -> None:
    """A fault with a typo in it would be a drill without a fault."""
    path = written(tmp_path, "s.yaml", SCENARIO.replace(broken, words))
    with pytest.raises(ConfigError) as caught:
        read_scenario(path)
    assert caught.value.path == str(path)


def test_an_unknown_scenario_names_those_there_are() -> None:
    """The cure is in the message."""
    with pytest.raises(ConfigError, match="one_platform_down"):
        find_scenario("two_platforms_down")


def run(
    capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path, *arguments: str
) -> tuple[int, bytes, bytes]:
    scenario = str(written(tmp_path, "short.yaml", SCENARIO))
    status = cli.main(["drill", scenario, "--out", str(tmp_path), *arguments])
    told = capsysbinary.readouterr()
    return status, told.out, told.err


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPORTMAX_HOME", str(tmp_path / "home"))


def test_the_same_seed_writes_the_same_bytes(
    capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    """Table, JSON and page: two people can compare what they got."""
    page = tmp_path / "short.html"
    first = run(capsysbinary, tmp_path, "--json")
    drawn = page.read_bytes()
    assert first[0] == 0
    assert run(capsysbinary, tmp_path, "--json")[:2] == first[:2]
    assert page.read_bytes() == drawn
    table = run(capsysbinary, tmp_path)[1]
    assert run(capsysbinary, tmp_path)[1] == table
    assert run(capsysbinary, tmp_path, "--json", "--seed", "2")[1] != first[1]
    document = orjson.loads(first[1])
    assert document["with_faults"]["answered_share"] == 1.0
    assert document["with_faults"]["answered_by"].keys() == {"openai", "anthropic"}
    assert document["without"]["failed_attempts"] == {}


def test_the_page_needs_nothing_and_its_picture_is_svg(
    capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    """It opens on a plane; every platform and every fault is in it."""
    run(capsysbinary, tmp_path)
    page = (tmp_path / "short.html").read_text()
    assert not any(word in page for word in ("<script", "<link", "src=", "url("))
    svg = ET.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])  # noqa: S314  our own
    said = [element.text for element in svg.iter() if element.text]
    assert {"openai", "anthropic", "nobody", "down"} <= set(said)


def test_a_png_is_drawn_by_matplotlib(
    capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    """For a slide."""
    assert run(capsysbinary, tmp_path, "--png")[0] == 0
    image = (tmp_path / "short.png").read_bytes()
    assert image.startswith(b"\x89PNG")
    assert len(image) < 60_000


def test_without_matplotlib_one_line_says_what_to_install(
    capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is printed and the page is there all the same."""
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    status, out, err = run(capsysbinary, tmp_path, "--png")
    assert status == 1
    assert b"answered" in out
    [line] = [line for line in err.splitlines() if b"error" in line]
    assert b"uv pip install --python" in line
    assert (tmp_path / "short.html").exists()
