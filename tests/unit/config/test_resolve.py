import pickle
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from config import (
    ResolvedPlatform,
    Settings,
    credential_of,
    load_settings,
    resolve_platforms,
    to_profiles,
)
from config.fingerprint import fingerprints
from config.platforms import OpenAISettings, Platforms
from config.settings import Profile
from deployments.platforms.prices import price_of
from routing.capability import Capability
from routing.errors import ConfigError
from routing.exchange import Usage
from routing.money import Price

SEED = Path(__file__).with_name("seed.yaml")


def settings_of(tmp_path: Path, text: str, env: dict[str, str] | None = None) -> Settings:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    return load_settings([file], env or {}, "development").settings


def only(settings: Settings, profile: Profile = "development") -> ResolvedPlatform:
    (platform,) = resolve_platforms(settings, profile)
    return platform


def test_a_platform_with_its_key_is_configured(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "platforms: {openai: {api_key: '${K}'}}", {"K": "sk-1"})
    assert (only(settings).state, only(settings).reason) == ("configured", "")
    assert only(settings, "production").state == "configured"
    secret = credential_of(settings, "openai")
    assert secret is not None
    assert secret.get_secret_value() == "sk-1"


def test_without_its_variable_a_platform_is_simulated_in_development_only(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "platforms: {openai: {api_key: '${OPENAI_API_KEY}'}}")
    assert (only(settings).state, only(settings).reason) == (
        "simulated",
        "OPENAI_API_KEY not set",
    )
    assert only(settings, "production").state == "disabled"
    assert only(settings, "production").reason == "OPENAI_API_KEY not set"


def test_any_variable_missing_below_a_platform_makes_it_not_configured(tmp_path: Path) -> None:
    text = "platforms: {openai: {api_key: '${K}', max_tokens: '${LIMIT}'}}"
    assert only(settings_of(tmp_path, text, {"K": "sk-1"})).reason == "LIMIT not set"


def test_without_a_key_at_all_the_reason_says_what_to_write(tmp_path: Path) -> None:
    reason = only(settings_of(tmp_path, "platforms: {anthropic: {}}")).reason
    assert reason == "no api_key; write api_key: ${ANTHROPIC_API_KEY}"


def test_without_credentials_a_platform_is_simulated_naming_its_variables() -> None:
    settings = load_settings([SEED], {}, "development").settings
    resolved = {item.name: item for item in resolve_platforms(settings, "development")}
    assert {item.state for item in resolved.values()} == {"simulated"}
    assert resolved["azure_openai"].reason == "AZURE_OPENAI_KEY, AZURE_OPENAI_ENDPOINT not set"


def test_an_identity_takes_the_place_of_a_key(tmp_path: Path) -> None:
    text = "platforms: {azure_openai: {endpoint: 'https://x.example', deployment: d, auth: entra}}"
    (azure,) = resolve_platforms(settings_of(tmp_path, text), "production")
    assert (azure.state, azure.options["auth"]) == ("configured", "entra")


def test_what_a_vendor_alone_is_told_is_there_when_it_is_set(tmp_path: Path) -> None:
    text = "platforms: {google_vertex: {project_id: p}}"
    (vertex,) = resolve_platforms(settings_of(tmp_path, text), "production")
    assert vertex.options == {"project_id": "p", "location": "global"}


AGENT = "projects/shop/locations/us-central1/reasoningEngines/42"


def test_an_agent_of_agent_engine_answers_in_place_of_the_model(tmp_path: Path) -> None:
    text = f"platforms: {{google_vertex: {{agent_engine: {AGENT}}}}}"
    (vertex,) = resolve_platforms(settings_of(tmp_path, text), "production")
    assert (vertex.state, vertex.options) == ("configured", {"agent_engine": AGENT})
    profile = to_profiles(
        vertex, lambda _: price_of(vertex.name, vertex.model, date(2026, 11, 22))
    )[0]
    assert profile.model == "agent-engine"
    assert profile.capabilities == {Capability.STREAMING}
    assert profile.price is None


def test_an_agents_agreed_price_is_an_estimate(tmp_path: Path) -> None:
    price = "price_override: {input: 1, output: 2}"
    text = f"platforms: {{google_vertex: {{agent_engine: {AGENT}, {price}}}}}"
    (vertex,) = resolve_platforms(settings_of(tmp_path, text), "production")
    assert vertex.price_override is not None
    assert vertex.price_override.is_estimate


def test_an_agent_is_simulated_as_an_agent(tmp_path: Path) -> None:
    text = f"platforms: {{google_vertex: {{agent_engine: {AGENT}, simulated: true}}}}"
    assert only(settings_of(tmp_path, text)).options == {"agent_engine": AGENT}


def test_a_copilots_price_is_an_estimate_for_each_message(tmp_path: Path) -> None:
    text = "platforms: {copilot_studio: {bot_id: b, secret: s, credits_per_message: 5}}"
    (copilot,) = resolve_platforms(settings_of(tmp_path, text), "production")
    price = to_profiles(copilot, lambda _: None)[0].price
    assert price is not None
    assert (price.cost(Usage()), price.is_estimate) == (Decimal("0.05"), True)


def test_a_platform_that_is_switched_off_is_disabled(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "platforms: {openai: {enabled: false, api_key: k}}")
    assert (only(settings).state, only(settings).reason) == ("disabled", "enabled: false")


def test_a_platform_that_is_left_out_does_not_exist(tmp_path: Path) -> None:
    assert resolve_platforms(settings_of(tmp_path, "platforms: {}"), "development") == ()


def test_a_simulated_platform_is_not_sent_to_the_address_of_the_real_one(tmp_path: Path) -> None:
    text = "platforms: {openai: {base_url: 'https://example.com/v1/', api_key: '${K}'}}"
    assert only(settings_of(tmp_path, text)).base_url is None
    configured = only(settings_of(tmp_path, text, {"K": "sk-1"}))
    assert configured.base_url == "https://example.com/v1"


def test_a_simulator_can_be_asked_for_although_there_is_a_key(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "platforms: {openai: {simulated: true, api_key: k}}")
    assert only(settings).state == "simulated"


def test_production_refuses_a_simulator_by_file_line_and_key(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("platforms:\n  openai:\n    simulated: true\n")
    with pytest.raises(ConfigError) as caught:
        load_settings([file], {}, "production")
    assert str(caught.value).startswith(f"{file}:3: platforms.openai.simulated: production does")


def test_production_refuses_a_simulator_in_settings_made_elsewhere() -> None:
    settings = Settings(platforms=Platforms(openai=OpenAISettings(simulated=True)))
    with pytest.raises(ConfigError, match=r"platforms\.openai\.simulated"):
        resolve_platforms(settings, "production")


def test_a_resolved_platform_crosses_processes_and_holds_no_secret(tmp_path: Path) -> None:
    resolved = only(settings_of(tmp_path, "platforms: {openai: {api_key: hunter2}}"))
    content = pickle.dumps(resolved)
    assert b"hunter2" not in content
    assert pickle.loads(content) == resolved  # noqa: S301  # our own bytes


def test_a_profile_says_what_was_configured(tmp_path: Path) -> None:
    text = (
        "platforms: {openai: {api_key: k, model: gpt-6-luna, regions: [us], quality: 0.9,"
        " price_override: {input: 0.08, output: 0.4}}}"
    )
    profile = to_profiles(
        only(settings_of(tmp_path, text)), lambda _: Price(Decimal(1), Decimal(2))
    )[0]
    assert (profile.name, profile.model, profile.quality) == ("openai", "gpt-6-luna", 0.9)
    assert profile.regions == {"us"}
    assert profile.price is not None
    assert (profile.price.input, profile.price.output) == (Decimal("0.08"), Decimal("0.4"))
    assert not profile.simulated
    assert profile.temperature is None


def test_an_unknown_price_stays_unknown(tmp_path: Path) -> None:
    assert (
        to_profiles(only(settings_of(tmp_path, "platforms: {openai: {}}")), lambda _: None)[0].price
        is None
    )


def test_the_limit_of_an_answer_is_the_platforms_or_else_the_models(tmp_path: Path) -> None:
    text = "platforms: {openai: {}, anthropic: {max_tokens: 4000}}"
    openai, anthropic = resolve_platforms(settings_of(tmp_path, text), "development")
    assert openai.max_tokens == openai.facts.max_output_tokens
    assert to_profiles(anthropic, lambda _: None)[0].max_output_tokens == 4000


def test_no_region_is_promised_unless_written_but_a_simulator_stays_here(tmp_path: Path) -> None:
    configured = only(settings_of(tmp_path, "platforms: {openai: {api_key: k}}"))
    assert configured.regions == frozenset()
    assert only(settings_of(tmp_path, "platforms: {openai: {}}")).regions == {"us", "eu"}


def test_another_key_has_another_fingerprint_which_does_not_tell_it(tmp_path: Path) -> None:
    """So has another identity where there is no key; the same one has the same in every process."""
    text = "platforms: {openai: {api_key: '${K}'}, google_vertex: {project_id: '${P}'}}"

    def of(key: str, project: str) -> tuple[str, str]:
        settings = settings_of(tmp_path, text, {"K": key, "P": project})
        found = fingerprints(settings, resolve_platforms(settings, "development"))
        return found["openai"], found["google_vertex"]

    key, project = of("sk-1", "one")
    assert of("sk-1", "one") == (key, project)
    assert of("sk-2", "one") == (of("sk-2", "two")[0], project)
    assert of("sk-2", "one")[0] != key
    assert of("sk-1", "two")[1] != project
    assert "sk-1" not in key
    assert len(key) == 12
