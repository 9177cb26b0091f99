"""What cannot be started says why in one readable line, at once, and leaves nothing behind."""

import re
import socket
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.product import Product, refused


def one_line(said: str) -> str:
    """The only line that is said on stderr; neither a stack trace nor a second thought."""
    lines = [line for line in said.splitlines() if line.strip()]
    assert len(lines) == 1, said
    return lines[0]


def test_production_does_not_start_with_simulators(tmp_path: Path) -> None:
    """Without a credential there is nobody to ask, and a demo does not answer customers."""
    ended = refused(tmp_path, "--profile", "production", "--port", str(free_port()))
    assert ended.returncode == 1
    said = one_line(ended.stderr)
    assert "no platform can be asked" in said
    assert "OPENAI_API_KEY not set" in said


def test_production_refuses_a_platform_that_is_told_to_be_simulated(tmp_path: Path) -> None:
    """The configuration's own key is named, and what to write instead."""
    path = tmp_path / "platforms.yaml"
    path.write_text("platforms:\n  openai:\n    simulated: true\n")
    ended = refused(tmp_path, "--profile", "production", str(path))
    assert ended.returncode == 1
    assert "platforms.openai.simulated" in one_line(ended.stderr)


def test_a_second_start_in_the_same_data_directory_is_refused(product: Product) -> None:
    """Two would write one database and hold one lock; the first goes on."""
    ended = refused(product.home, "--port", str(free_port()))
    assert ended.returncode == 1
    assert f"another SupportMax runs in {product.home}" in one_line(ended.stderr)
    assert product.replicas("ingress")


def test_a_port_that_is_taken_is_refused_and_the_way_out_named(tmp_path: Path) -> None:
    """Before anything is started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = refused(tmp_path, "--port", str(port))
    assert ended.returncode == 1
    assert re.search(rf"127\.0\.0\.1:{port} is taken; .*PORT=", one_line(ended.stderr))
    assert not (tmp_path / "simulators.port").exists()


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("platforms:\n  openai:\n    enabled: true\n    max_tokens: many\n", ":4: platforms.openai.max_tokens"),
        ("platforms:\n  openai:\n    modle: gpt\n", ":3: platforms.openai.modle"),
        ("platforms: [\n", ":"),
    ],
)  # fmt: skip
def test_a_broken_configuration_names_file_line_and_key(
    tmp_path: Path, text: str, where: str
) -> None:
    """Where to look, and what to write there."""
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    ended = refused(tmp_path, str(path))
    assert ended.returncode == 1
    assert f"{path}{where}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "supportmax.sqlite").exists()
