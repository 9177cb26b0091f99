"""Where Redis is, said so that a mistake is found before it starts; never its password."""

from pathlib import Path

import pytest

from config.check import run
from config.loader import load_settings
from routing.errors import ConfigError


def settings_of(tmp_path: Path, redis: str, backend: str = "redis_cluster") -> Path:
    file = tmp_path / "c.yaml"
    file.write_text(f"mcp: {{servers: {{memory: {{backend: {backend}}}}}}}\nredis: {redis}\n")
    return file


@pytest.mark.parametrize(
    ("redis", "said"),
    [
        ("{urls: []}", "redis.urls"),
        ("{urls: ['http://a:1']}", "rediss:// for TLS"),
        ("{urls: ['redis://:secret@a:1']}", "use username and password"),
        ("{urls: ['redis://a:1', 'redis://b:1']}", "write cluster: true"),
        ("{urls: ['redis://a:1', 'rediss://b:1'], cluster: true}", "or all are rediss://"),
        ("{urls: ['redis://a:1/3'], cluster: true}", "leave its number out"),
        ("{urls: ['redis://a:1/x']}", "number of a database"),
        ("{urls: ['redis://a:0']}", "write an address like"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, redis: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings([settings_of(tmp_path, redis)], {}, "development")
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("redis", "backend", "said"),
    [
        ("{urls: ['redis://a:1']}", "in_process", "database; windows in each process"),
        ("{urls: ['redis://a:1/2']}", "redis", "database; windows in Redis"),
        (
            "{urls: ['rediss://a:1', 'rediss://b:1'], cluster: true, password: '${SECRET}'}",
            "redis_cluster",
            "database; windows in Redis Cluster, 2 nodes named, TLS",
        ),
    ],
)
def test_a_check_says_where_memory_is(tmp_path: Path, redis: str, backend: str, said: str) -> None:
    code, lines = run([settings_of(tmp_path, redis, backend)], {"SECRET": "hunter2"}, "production")
    assert code == 0
    assert f"memory          {said}" in lines
    assert "hunter2" not in "".join(lines)


def test_a_redis_that_is_asked_for_and_not_named_is_said(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("mcp: {servers: {memory: {backend: redis_cluster}}}\n")
    _, lines = run([file], {}, "production")
    assert any("redis_cluster is asked for and no redis is named" in line for line in lines)
