"""The keys of request state: made once, readable by their owner, and the same for all."""

from pathlib import Path

import pytest

from deployments.mcp_gateway.state_keys import make_keys, read_keys
from routing.errors import ConfigError


def test_a_second_start_keeps_the_keys_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "mcp.keys"
    make_keys(path)
    first = read_keys(path)
    make_keys(path)
    assert read_keys(path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(first[0]) >= 32


@pytest.mark.parametrize("text", ["", "short\n", "k" * 40 + "\nshort\n", ("k" * 40 + "\n") * 9])
def test_a_file_of_something_else_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mcp.keys"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"mcp\.security\.request_state_keys_file") as refused:
        read_keys(path)
    assert "kkkk" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="every replica needs the same"):
        read_keys(tmp_path / "nothing")
