"""The agent-engine command, in an environment without Google's client for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from config.platforms import GoogleVertexSettings
from deployments.agent_engine import AgentEngineFailed, place_of
from deployments.cli import main
from deployments.platforms.vertex.address import base_url

AGENT = "projects/shop/locations/us-central1/reasoningEngines/42"


@pytest.fixture(autouse=True)
def _no_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPORTMAX_HOME", str(tmp_path))
    # None is how Python itself says that a module is not to be found.
    monkeypatch.setitem(sys.modules, "agentplatform", None)


@pytest.mark.parametrize("action", [["list"], ["show", "42"], ["delete", AGENT, "--force"]])
def test_without_googles_client_one_line_says_how_to_get_it(
    action: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is an extra, because it is larger than everything else together."""
    assert main(["agent-engine", "--project", "shop", *action]) == 1
    told = capsys.readouterr()
    [line] = told.err.splitlines()
    assert line.startswith("error this command needs Google's client, which is not installed")
    assert ".[agent-engine]" in line
    assert told.out == ""


def test_without_a_project_the_command_says_what_to_write(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The shipped configuration takes it from the environment."""
    monkeypatch.delenv("GCP_PROJECT_ID", raising=False)
    assert main(["agent-engine", "list"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "--project" in line
    assert "platforms.google_vertex.project_id" in line


@pytest.mark.parametrize("words", [[], ["show"], ["delete"], ["create"], ["list", "42"]])
def test_what_is_no_command_is_not_understood(words: list[str]) -> None:
    """Nothing is deleted by mistake: an agent must be named."""
    with pytest.raises(SystemExit) as stopped:
        main(["agent-engine", *words])
    assert stopped.value.code == 2


@pytest.mark.parametrize(
    ("settings", "asked", "place"),
    [
        ({"project_id": "p", "location": "eu"}, (None, None), ("p", "eu")),
        ({"agent_engine": AGENT}, (None, None), ("shop", "us-central1")),
        ({"agent_engine": AGENT, "project_id": "p"}, (None, None), ("shop", "us-central1")),
        ({"agent_engine": AGENT}, ("q", "eu"), ("q", "eu")),
    ],
)
def test_agents_are_looked_for_where_the_configuration_says(
    settings: dict[str, str], asked: tuple[str | None, str | None], place: tuple[str, str]
) -> None:
    """What is asked for wins; then the configured agent's own place; then the platform's."""
    found = place_of(GoogleVertexSettings(**settings), *asked)
    assert (found.project, found.location) == place
    assert found.address == base_url(found.location)


def test_a_configuration_without_google_needs_a_project() -> None:
    """There is nothing to fall back on."""
    assert place_of(None, "p", None).project == "p"
    with pytest.raises(AgentEngineFailed, match="--project"):
        place_of(None, None, None)


def test_the_command_line_itself_loads_nothing_of_googles() -> None:
    """Every other command starts without it."""
    script = "import sys, deployments.cli; print([m for m in sys.modules if 'google' in m])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
