"""What embeds and where vectors stay: settled when a replica starts, and no credential handed on."""

import pickle
from pathlib import Path

import pytest

from actors.database.address import Server
from config.loader import load_settings
from config.settings import Profile
from deployments.boot import Boot
from deployments.database import address_of
from deployments.knowledge.embedders import PlatformEmbedder, indexer_options
from routing.errors import ConfigError

KEY = "sk-of-openai"
SERVER = "database: {url: postgresql://me@db/support}"


def boot(folder: Path, *lines: str, profile: Profile = "development") -> Boot:
    path = folder / "config.yaml"
    path.write_text("\n".join(lines))
    return Boot(folder, profile, (path,), simulators="http://127.0.0.1:1")


def knowledge(settings: str) -> str:
    return f"mcp: {{servers: {{knowledge: {{{settings}}}}}}}"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((knowledge("index: pgvector, embedder: minilm"),), "in the PostgreSQL of database.url"),
        ((knowledge("index: pgvector"), SERVER), "an embedder that makes some"),
        ((knowledge("embedder: openai"),), r"platforms\.openai cannot be asked: is not configured"),
    ],
)
def test_what_cannot_be_done_is_refused_at_the_start(
    tmp_path: Path, lines: tuple[str, ...], said: str
) -> None:
    here = boot(tmp_path, *lines)
    settings = load_settings(here.config, {}, "development").settings
    with pytest.raises(ConfigError, match=said):
        indexer_options(here, settings, address_of(here))


def test_production_does_not_embed_with_a_simulator(tmp_path: Path) -> None:
    lines = ("platforms: {openai: {model: gpt-6-luna}}", knowledge("embedder: openai"))
    here = boot(tmp_path, *lines, profile="production")
    settings = load_settings(here.config, {}, "production").settings
    with pytest.raises(ConfigError, match="cannot be asked: no api_key"):
        indexer_options(here, settings, address_of(here))


def test_the_indexer_is_told_whom_to_ask_and_not_with_which_key(tmp_path: Path) -> None:
    platform = f"platforms: {{openai: {{api_key: {KEY}, model: gpt-6-luna}}}}"
    lines = (platform, knowledge("embedder: openai, index: pgvector"), SERVER)
    here = boot(tmp_path, *lines)
    settings = load_settings(here.config, {}, "development").settings
    options = indexer_options(here, settings, address_of(here))
    assert isinstance(options.database, Server)
    assert options.outside
    assert options.embedder == PlatformEmbedder(here)
    assert KEY.encode() not in pickle.dumps(options)
