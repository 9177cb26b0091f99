"""`supportmax platforms` where nobody answers."""

import socket
from pathlib import Path

import pytest

from deployments.cli import main


def test_where_nobody_answers_it_is_said_how_to_name_another_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        monkeypatch.setenv("SUPPORTMAX_HOME", str(tmp_path))
        monkeypatch.setenv("SUPPORTMAX_API_KEY", "smk_nobody")
        monkeypatch.setenv("SUPPORTMAX_URL", address)
        assert main(["platforms", "show"]) == 1
    told = capsys.readouterr().err
    assert f"{address} does not answer (ConnectError); is it running?" in told
    assert "SUPPORTMAX_URL names another" in told
