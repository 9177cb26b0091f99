"""What cannot be started says why in one readable line, at once, and leaves nothing behind."""

import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.product import LOOK_S, START_S, Product, refused, starting, wait_until_gone

# Of a start that is broken off; on two busy cores Ray's own end takes some of it.
SOON_S = 20.0
# A start with fewer processes: what is looked at does not hang on their number.
ONE_PLATFORM = "platforms:\n  openai: {enabled: true}\n"


def one_line(said: str) -> str:
    """The only line that is said on stderr; neither a stack trace nor a second thought."""
    lines = [line for line in said.splitlines() if line.strip()]
    assert len(lines) == 1, said
    return lines[0]


def wait_until_there(product: Product, title: str) -> None:
    """Return as soon as the start has come so far that this process is there."""
    until = time.monotonic() + START_S
    while not product.processes(title):
        assert product.process.poll() is None, product.said
        assert time.monotonic() < until, product.said
        time.sleep(LOOK_S)  # nothing says that a process of Ray's was started


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


def test_what_would_stop_every_replica_is_told_before_there_are_any(tmp_path: Path) -> None:
    """A file that they alone work with: where it is named, and nothing was started."""
    garbage, path = tmp_path / "idp.pem", tmp_path / "sso.yaml"
    garbage.write_text("no certificate")
    path.write_text(
        ONE_PLATFORM
        + "sso_providers:\n  corp:\n    {provider: saml, tenant: corp, issuer: 'https://idp.test',\n"
        f"     sso_url: 'https://idp.test/sso', certificate_files: [{garbage}],\n"
        "     public_url: 'https://support.test'}\n"
    )
    with starting(path) as product:
        assert product.wait(START_S) == 1
        [told] = [line for line in product.said.splitlines() if line.startswith("error")]
        where = f"{path}:6: sso_providers.corp.certificate_files[0]"
        assert told == f"error {where}: {garbage} is no certificate in PEM"
        assert "Traceback" not in product.said
        wait_until_gone(product)


def test_ctrl_c_while_ray_starts_ends_it_soon_and_in_no_other_words(tmp_path: Path) -> None:
    """A terminal sends it to Ray's processes too, of which the dashboard dies of it."""
    path = tmp_path / "one.yaml"
    path.write_text(ONE_PLATFORM)
    with starting(path) as product:
        wait_until_there(product, "dashboard/dashboard.py")
        os.killpg(product.process.pid, signal.SIGINT)
        asked_at = time.monotonic()
        assert product.wait() == 0, product.said
        assert time.monotonic() - asked_at < SOON_S
        assert [line for line in product.said.splitlines() if " of 5: " not in line] == []
        wait_until_gone(product)


def test_whoever_ends_it_in_mid_start_with_all_its_processes_leaves_none(tmp_path: Path) -> None:
    """As `timeout` and systemd do it: Ray is gone before HAProxy is told, which would keep the port."""
    path = tmp_path / "one.yaml"
    path.write_text(ONE_PLATFORM)
    with starting(path) as product:
        wait_until_there(product, "bin/haproxy")
        os.killpg(product.process.pid, signal.SIGTERM)
        assert product.wait() == 1
        assert "send it to this process alone" in product.said
        wait_until_gone(product)
        assert re.findall(r"^(\d) of 5: ", product.said, re.MULTILINE)[:4] == ["1", "2", "3", "4"]
