"""What the README tells people to type works, and what it shows is so."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_every_file_the_readme_links_to_is_there() -> None:
    """A link that leads nowhere sends a newcomer away."""
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_relative_link_of_the_documents_is_there() -> None:
    """The same for docs/ and the other pages."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    dead = [
        (page.name, link)
        for page in pages
        for link in re.findall(r"\]\((?!https?://)([^)#]+)\)", page.read_text())
        if not (page.parent / link).exists()
    ]
    assert dead == []


def test_the_shown_configuration_is_valid(tmp_path: Path) -> None:
    """`supportmax check` accepts the snippet, and says that the platform is simulated."""
    path = tmp_path / "my-config.yaml"
    path.write_text(_blocks("yaml")[0])
    done = subprocess.run(
        [sys.executable, "-m", "deployments.cli", "check", str(path)],
        cwd=ROOT,
        env={**_without_keys(), "SUPPORTMAX_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "simulated" in done.stdout


@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_make_run_works_in_a_fresh_copy_and_the_shown_questions_are_answered(
    tmp_path: Path,
) -> None:
    """No uv, no virtual environment: the first line, then every curl of the page, then Ctrl-C."""
    copy = tmp_path / "copy"
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in names:
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    port = str(free_port())
    environment = {**_without_keys(), "PATH": _path_without_uv()}
    environment.pop("SUPPORTMAX_HOME", None)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            ["make", "run", f"PORT={port}", f"PYTHON={sys.executable}"],
            cwd=copy, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_for(tmp_path / "log", "Ctrl-C stops everything", process, within_s=400)
        questions = [block for block in _blocks("sh") if block.startswith("curl")]
        assert len(questions) == 2
        answer, refusal = (
            _ask(question.replace(":8000", f":{port}"), copy) for question in questions
        )
        assert answer["simulated"] is True
        assert "[kb-001]" in str(answer["text"])
        assert refusal["code"] == "requirements_impossible"
        (snippet,) = _blocks("python")
        said = subprocess.run(
            [sys.executable, "-c", snippet.replace(":8000", f":{port}")],
            cwd=copy, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert said.stdout.strip()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
    # make ends by the signal it was sent, once what it started has ended.
    assert process.returncode in {0, -signal.SIGINT}
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port))) != 0


def _ask(command: str, cwd: Path) -> dict[str, object]:
    done = subprocess.run(
        ["bash", "-c", command], cwd=cwd, capture_output=True, text=True, timeout=60, check=True
    )
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


def _wait_for(log: Path, text: str, process: subprocess.Popen[bytes], within_s: float) -> None:
    until = time.monotonic() + within_s
    while text not in log.read_text():
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < until, log.read_text()[-3000:]
        time.sleep(0.2)  # make writes to a file, which nobody can wait on


def _without_keys() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.endswith(("_API_KEY", "_OPENAI_KEY"))}


def _path_without_uv() -> str:
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(f for f in folders if not (Path(f) / "uv").exists())
