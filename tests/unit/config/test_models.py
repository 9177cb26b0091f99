from dataclasses import replace
from pathlib import Path

import pytest

from config import Loaded, load_settings
from config.models import shipped_models
from config.platforms import PlatformName
from deployments.platforms.openai.codec import LEAST_OUTPUT_TOKENS
from routing.capability import Capability
from routing.errors import ConfigError
from routing.request_limits import DEAREST_IMAGE_TOKENS

SEED = Path(__file__).with_name("seed.yaml")


def load_text(tmp_path: Path, text: str) -> Loaded:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    return load_settings([file], {}, "development")


def test_the_seeds_retired_models_are_replaced_each_with_a_warning_at_its_line() -> None:
    loaded = load_settings([SEED], {}, "development")
    platforms = loaded.settings.platforms
    assert platforms.openai is not None
    assert platforms.openai.model == "gpt-6.1-terra"
    assert platforms.anthropic is not None
    assert platforms.anthropic.model == "claude-sonnet-5-5"
    assert platforms.google_vertex is not None
    assert platforms.google_vertex.model == "gemini-3.8-flash"
    told = [str(warning) for warning in loaded.warnings]
    assert told[0] == (
        f"{SEED}:5: platforms.openai.model: gpt-4 was shut down on 2026-10-23; using gpt-6.1-terra"
    )
    assert [warning for warning in told if "mcp.gateway.port" not in warning] == told[:5]
    assert len(told) == 6


def test_an_azure_deployment_keeps_its_name_and_gets_a_base_model() -> None:
    azure = load_settings([SEED], {}, "development").settings.platforms.azure_openai
    assert azure is not None
    assert (azure.deployment, azure.base_model) == ("gpt-4", "gpt-6.1-terra")


def test_a_deployment_of_an_unknown_name_is_not_guessed_at(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, "platforms:\n  azure_openai:\n    deployment: support\n")
    assert loaded.settings.platforms.azure_openai is not None
    assert loaded.settings.platforms.azure_openai.base_model is None
    assert loaded.warnings[0].key == "platforms.azure_openai.deployment"


def test_a_retired_base_model_is_replaced(tmp_path: Path) -> None:
    text = "platforms:\n  azure_openai:\n    deployment: x\n    base_model: gpt-4-turbo\n"
    loaded = load_text(tmp_path, text)
    assert loaded.settings.platforms.azure_openai is not None
    assert loaded.settings.platforms.azure_openai.base_model == "gpt-6.1-terra"
    assert loaded.warnings[0].line == 4


def test_a_model_about_to_be_shut_down_is_kept_with_a_warning(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, "platforms:\n  openai:\n    model: gpt-4o\n")
    assert loaded.settings.platforms.openai is not None
    assert loaded.settings.platforms.openai.model == "gpt-4o"
    assert "will be shut down on 2027-01-14; write gpt-6-luna" in loaded.warnings[0].message
    assert shipped_models().facts("openai", "gpt-4o").retires_at == "2027-01-14"


def test_an_unknown_model_is_used_with_careful_limits_and_a_warning(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, "platforms:\n  openai:\n    model: claude-sonnet-5-5\n")
    assert "'claude-sonnet-5-5' is no openai model" in loaded.warnings[0].message
    facts = shipped_models().facts("openai", "claude-sonnet-5-5")
    assert not facts.known
    assert facts.context_window == 128_000


def test_an_unknown_model_from_a_variable_is_not_printed(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("platforms:\n  openai:\n    model: ${OPENAI_API_KEY}\n")
    loaded = load_settings([file], {"OPENAI_API_KEY": "sk-hunter2"}, "development")
    assert "hunter2" not in "".join(map(str, loaded.warnings))


@pytest.mark.parametrize("platform", ["openai", "anthropic"])
def test_a_temperature_is_dropped_with_a_warning_where_the_model_refuses_it(
    tmp_path: Path, platform: str
) -> None:
    loaded = load_text(tmp_path, f"platforms:\n  {platform}:\n    temperature: 0.7\n")
    settings = getattr(loaded.settings.platforms, platform)
    assert settings.temperature is None
    assert (loaded.warnings[0].line, loaded.warnings[0].key) == (
        3,
        f"platforms.{platform}.temperature",
    )


def test_a_temperature_is_kept_where_the_model_takes_it(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, "platforms:\n  google_vertex:\n    temperature: 0.7\n")
    assert loaded.settings.platforms.google_vertex is not None
    assert loaded.settings.platforms.google_vertex.temperature == 0.7
    assert loaded.warnings == ()


def test_what_an_agent_takes_from_nobody_is_dropped_with_a_warning(tmp_path: Path) -> None:
    agent = "projects/shop/locations/us-central1/reasoningEngines/42"
    settings = f"agent_engine: {agent}, model: gemini-pro, max_tokens: 99999, temperature: 0.7"
    loaded = load_text(tmp_path, f"platforms:\n  google_vertex: {{{settings}}}\n")
    vertex = loaded.settings.platforms.google_vertex
    assert vertex is not None
    assert (vertex.max_tokens, vertex.temperature) == (None, None)
    assert [warning.key.rpartition(".")[2] for warning in loaded.warnings] == [
        "model",
        "max_tokens",
        "temperature",
    ]


def test_what_is_not_an_agents_name_is_refused_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"c\.yaml:3: .*agent_engine: write the agent's full name"
    ):
        load_text(tmp_path, "platforms:\n  google_vertex:\n    agent_engine: '42'\n")


def test_every_replacement_is_a_current_model_of_the_same_vendor() -> None:
    table = shipped_models()
    vendors = {"gpt": "openai", "cha": "openai", "cla": "anthropic", "gem": "google_vertex"}
    for name, notice in [*table.retired.items(), *table.retiring.items()]:
        platform = vendors.get(name[:3], "openai")
        assert notice.use not in table.retired
        assert notice.use not in table.retiring
        assert table.facts(platform, notice.use).known, (name, notice.use)  # type: ignore[arg-type]


def test_every_row_of_the_table_has_a_family_and_no_row_is_retired() -> None:
    table = shipped_models()
    assert {row.family for row in table.models.values()} == set(table.families)
    assert not set(table.models) & set(table.retired)


def test_the_longest_row_wins_and_a_dated_snapshot_is_its_model() -> None:
    table = shipped_models()
    assert table.facts("openai", "gpt-5.4-mini-2026-03-17") == table.facts("openai", "gpt-5.4-mini")
    assert table.facts("openai", "gpt-6-lunar").quality == table.facts("openai", "gpt-6").quality


def test_no_claude_and_no_later_gpt_takes_a_temperature() -> None:
    table = shipped_models()
    for name, row in table.models.items():
        takes = Capability.TEMPERATURE in table.families[row.family].capabilities
        assert takes == name.startswith(("gpt-4", "gemini")), name


@pytest.mark.parametrize(
    ("platform", "model", "tools", "image_tokens"),
    [
        ("openai", "gpt-6-luna", 128, 6_150),
        ("azure_openai", "gpt-6-luna", 128, 6_150),
        ("openai", "gpt-4o-mini", 128, 48_169),
        ("anthropic", "claude-sonnet-5-5", None, 5_000),
        ("google_vertex", "gemini-3.8-flash", 128, 2_240),
    ],
)
def test_every_wire_has_its_limits(
    platform: PlatformName, model: str, tools: int | None, image_tokens: int
) -> None:
    """A family's, and what an image costs where one model of it is dearer."""
    limits = shipped_models().facts(platform, model).limits
    assert (limits.tools, limits.image_tokens) == (tools, image_tokens)
    assert limits.dialect is not None


def test_an_unknown_model_has_its_platforms_limits_and_the_dearest_image() -> None:
    """The wire is the same whatever is behind it; what it bills for an image is not known."""
    known = shipped_models().facts("anthropic", "claude-opus-5").limits
    unknown = shipped_models().facts("anthropic", "our-own-tuning").limits
    assert unknown == replace(known, image_tokens=DEAREST_IMAGE_TOKENS)


def test_the_fewest_tokens_a_wire_knows_are_those_its_codec_asks_for() -> None:
    """The bound of a cost and what is sent are one figure."""
    table = shipped_models()
    for platform in ("openai", "azure_openai"):
        for model in ("gpt-6-luna", "gpt-4o-mini", "our-own-tuning"):
            limits = table.facts(platform, model).limits
            assert limits.least_output_tokens == LEAST_OUTPUT_TOKENS
    assert table.facts("anthropic", "claude-haiku-5-5").limits.least_output_tokens == 1
