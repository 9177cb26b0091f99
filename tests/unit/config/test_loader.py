import pickle
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from config import SHIPPED, ConfigErrors, Loaded, load_settings
from config.check import run
from routing.errors import ConfigError

SEED = Path(__file__).with_name("seed.yaml")

ALL_SET = {
    "OPENAI_API_KEY": "sk-openai-3c9f",
    "ANTHROPIC_API_KEY": "sk-ant-77aa",
    "AZURE_OPENAI_KEY": "azure-key-51d0",
    "AZURE_OPENAI_ENDPOINT": "https://northwind.openai.azure.com/",
    "GCP_PROJECT_ID": "northwind-support",
    "AZURE_TENANT_ID": "tenant-1",
    "AZURE_CLIENT_ID": "client-1",
    "AZURE_CLIENT_SECRET": "entra-secret-90b2",
}
SECRETS = tuple(value for name, value in ALL_SET.items() if name.endswith(("_KEY", "_SECRET")))


def load(*paths: Path, env: dict[str, str] | None = None) -> Loaded:
    return load_settings(paths, env or {}, "development")


def error_of(tmp_path: Path, text: str, env: dict[str, str] | None = None) -> ConfigError:
    """The one error that `text` has."""
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(ConfigErrors) as caught:
        load(file, env=env)
    assert len(caught.value.errors) == 1, str(caught.value)
    return caught.value.errors[0]


def sections(text: str) -> list[str]:
    """The seed's three documents."""
    mcp, sso = text.index("mcp:"), text.index("sso:")
    return [text[:mcp], text[mcp:sso], text[sso:]]


def test_the_seed_loads_unchanged_with_nothing_set() -> None:
    loaded = load(SEED)
    assert loaded.settings.platforms.openai is not None
    assert loaded.settings.platforms.openai.api_key is None
    assert loaded.settings.unset_below("platforms.azure_openai") == (
        "AZURE_OPENAI_KEY",
        "AZURE_OPENAI_ENDPOINT",
    )


def test_the_seed_loads_unchanged_with_everything_set() -> None:
    loaded = load(SEED, env=ALL_SET)
    platforms = loaded.settings.platforms
    assert platforms.openai is not None
    assert platforms.openai.api_key is not None
    assert platforms.openai.api_key.get_secret_value() == "sk-openai-3c9f"
    assert platforms.openai.max_tokens == 4000
    assert platforms.azure_openai is not None
    assert platforms.azure_openai.endpoint == "https://northwind.openai.azure.com"
    assert loaded.settings.unset == ()
    assert loaded.settings.mcp.servers.memory.backend == "redis_cluster"
    assert loaded.settings.rbac is not None
    assert loaded.settings.rbac.roles == ("admin", "agent", "customer")


def test_the_seed_means_the_same_in_one_file_in_three_and_in_documents(tmp_path: Path) -> None:
    text = SEED.read_text()
    documents = tmp_path / "documents.yaml"
    documents.write_text("---\n".join(sections(text)))
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, section in enumerate(sections(text)):
        (folder / f"{number}.yaml").write_text(section)
    whole = load(SEED, env=ALL_SET).settings
    assert load(documents, env=ALL_SET).settings == whole
    assert load(folder, env=ALL_SET).settings == whole


def test_the_shipped_files_load_without_a_warning_and_name_all_five_platforms() -> None:
    loaded = load_settings(None, {}, "production")
    assert loaded.warnings == ()
    assert len(list(loaded.settings.platforms.present())) == 5
    assert load(SHIPPED[0].parent).settings == loaded.settings


def test_the_shipped_policy_has_every_shipped_role_and_only_listed_permissions() -> None:
    rbac = load_settings(None, {}, "production").settings.rbac
    assert rbac is not None
    (policy,) = rbac.policies
    table = yaml.safe_load((SHIPPED[0].parent.parent / policy.policy_file).read_text())
    assert tuple(sorted(table["roles"])) == tuple(sorted(rbac.roles))
    assert set().union(*table["roles"].values()) == set(table["permissions"])


def test_port_and_address_of_the_shipped_server_come_from_the_environment() -> None:
    server = load_settings(None, {"PORT": "9001"}, "development").settings.server
    assert (server.host, server.port, server.max_body_bytes) == ("127.0.0.1", 9001, 1_048_576)


def test_a_missing_variable_outside_platforms_is_an_error_at_its_line(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("server:\n  port: ${SOME_PORT}\n")
    with pytest.raises(ConfigErrors) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}:2: server.port: SOME_PORT not set; ")


def test_a_missing_variable_never_makes_a_platform_wrong(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "platforms:\n  openai:\n    price_override: {input: 1, output: '${A}'}\n"
        "    replicas: {min: 9, max: '${B}'}\n"
    )
    assert load(file).settings.unset_below("platforms.openai") == ("A", "B")


@pytest.mark.parametrize(
    ("text", "line", "key", "cure"),
    [
        ("platforms:\n  openai:\n    api_keyy: x", 3, "platforms.openai.api_keyy", "mean api_key?"),
        ("platforms:\n  antropic: {}", 2, "platforms.antropic", "mean anthropic?"),
        ("platfroms: {}", 1, "platfroms", "mean platforms?"),
        (
            "sso_providers:\n  Corp: {provider: oidc}",
            2,
            "sso_providers.Corp",
            "expected a small letter, and then small letters, digits and -",
        ),
        ("unset: []", 1, "unset", "delete it"),
        ("server:\n  port: lots", 2, "server.port", "'lots' is written, but expected a whole"),
        ("server:\n  port: 80.5", 2, "server.port", "for example `port: 8000`"),
        ("server:\n  port: 70000", 2, "server.port", "65535 or less"),
        ("server:\n  port: 0", 2, "server.port", "1 or more"),
        ("server:\n  port: true", 2, "server.port", "expected a number"),
        ("server:\n  port:", 2, "server.port", "nothing is written, but expected a whole number"),
        ("server: 8000", 1, "server", "a block of settings"),
        (
            "platforms:\n  openai:\n    enabled: maybe",
            3,
            "platforms.openai.enabled",
            "true or false",
        ),
        ("platforms:\n  openai:\n    model: ''", 3, "platforms.openai.model", "not empty"),
        ("platforms:\n  openai:\n    model: 4", 3, "platforms.openai.model", "text (in quotes"),
        ("platforms:\n  openai:\n    timeout_s: .inf", 3, "platforms.openai.timeout_s", "a number"),
        ("platforms:\n  openai:\n    timeout_s: 1e999", 3, "platforms.openai.timeout_s", "number"),
        (
            "platforms:\n  openai:\n    temperature: 7",
            3,
            "platforms.openai.temperature",
            "2 or less",
        ),
        (
            "platforms:\n  openai:\n    base_url: ftp://x",
            3,
            "platforms.openai.base_url",
            "like https://",
        ),
        (
            "platforms:\n  openai:\n    base_url: https://me:hunter2@x",
            3,
            "platforms.openai.base_url",
            "leave user and password out",
        ),
        ("platforms:\n  openai:\n    regions: us", 3, "platforms.openai.regions", "[us, eu]"),
        (
            "platforms:\n  openai:\n    replicas: {min: 3, max: 2}",
            3,
            "platforms.openai.replicas",
            "write a max of 3",
        ),
        (
            "platforms:\n  openai:\n    price_override: {input: 3}",
            3,
            "platforms.openai.price_override.output",
            "is missing; for example `output:",
        ),
        (
            "platforms:\n  openai:\n    max_tokens: 900000",
            3,
            "platforms.openai.max_tokens",
            "write 128000 or less",
        ),
        (
            "platforms:\n  copilot_studio:\n    temperature: 1",
            3,
            "platforms.copilot_studio.temperature",
            "possible here: bot_id",
        ),
        ("routing:\n  strategy: cheapest", 2, "routing.strategy", "one of cost_optimized, latency"),
        ("routing:\n  fallback_platforms: [opnai]", 2, "routing.fallback_platforms[0]", "openai"),
        ("routing:\n  fallback_platforms: [openai, openai]", 1, "routing", "write each once"),
        ("routing:\n  weights: {cost: 0, latency: 0, quality: 0}", 2, "routing.weights", "cost: 1"),
        ("routing:\n  deadline_s: 200", 1, "routing", "max_deadline_s of 200 or more"),
        ("privacy:\n  kinds: [emial]", 2, "privacy.kinds[0]", "one of card, iban"),
        ("privacy:\n  kinds: []", 2, "privacy.kinds", "expected a list of 1 or more; for example"),
        ("sso:\n  client_id: x", 1, "sso.provider", "for example `provider: azure_ad`"),
        ("rbac:\n  policies:\n    - {}", 3, "rbac.policies[0].policy_file", "rbac.yaml"),
        ("server:\n  port: 1\n  port: 2", 3, "server.port", "twice, first in line 2"),
        ("server:\n  port: ${PORT", 2, "server.port", "write ${NAME}"),
        ("server:\n  port: ${WORDS}", 2, "server.port", "${WORDS} stands for something else"),
        ("server: {}\n---\nserver: {}", 3, "server", "already in"),
        ("server: [1, 2", 1, "", "is not YAML here"),
        ("server:\n\tport: 1", 2, "", "is not YAML here"),
        ("- server", 1, "", "holds no settings"),
        ("hello", 1, "", "holds no settings"),
        ("server: &a {}", 1, "", "write the value out"),
        ("server: !!python/object:os.system {}", 1, "", "leave it out"),
        ("? [a]\n: b", 1, "", "is not a word"),
        ("a: " + "[" * 30, 1, "", "nested deeper than 20"),
        ("a: \x01", None, "", "control character"),
    ],
)
def test_every_error_names_file_line_key_and_a_cure(
    tmp_path: Path, text: str, line: int | None, key: str, cure: str
) -> None:
    error = error_of(tmp_path, text, {"WORDS": "not a number"})
    assert error.path == str(tmp_path / "c.yaml")
    assert (error.line, error.key) == (line, key)
    assert cure in error.message
    assert str(error).startswith(f"{error.path}:{line}: " if line else error.path)


def test_all_errors_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("server:\n  port: lots\n  hots: x\nrouting:\n  strategy: x\n")
    with pytest.raises(ConfigErrors) as caught:
        load(file, tmp_path / "nowhere.yaml")
    assert [error.line for error in caught.value.errors] == [2, 3, 5, None]


def test_errors_cross_processes_whole(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path / "a.yaml", tmp_path / "b.yaml")
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  # our own bytes
    assert str(copy) == str(caught.value)
    assert len(copy.errors) == 2


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a: " + b"x" * 300_000])
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "c.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigErrors, match=r"not UTF-8|larger than 256 KiB"):
        load(file)


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"holds no \*\.yaml"):
        load(tmp_path)


def test_words_stay_words_where_older_yaml_made_numbers_of_them(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "platforms:\n  openai:\n    regions: [no, 12:30, 2026-10-23]\n    enabled: no\n"
    )
    openai = load(file).settings.platforms.openai
    assert openai is not None
    assert openai.regions == ("no", "12:30", "2026-10-23")
    assert openai.enabled is False


def test_secrets_appear_in_no_print_and_no_dump() -> None:
    loaded = load(SEED, env=ALL_SET)
    shown = f"{loaded!r}{loaded.settings}{loaded.settings.model_dump_json()}"
    shown += str(loaded.settings.model_dump())
    assert not [secret for secret in SECRETS if secret in shown]


@pytest.mark.parametrize(
    "text",
    [
        "platforms:\n  openai:\n    api_key: [hunter2]",
        "platforms:\n  openai:\n    api_key: hunter2 hunter2",
        "platforms:\n  openai:\n    api_key: {hunter2: 1}\n    model: 3",
        "platforms:\n  openai:\n    api_key: 'hunter2: \"\n",
        "platforms:\n  openai:\n    api_key: ${A B:-hunter2}",
        "platforms:\n  openai:\n    timeout_s: sk-a-long-key-in-the-wrong-line-hunter2",
        "platforms:\n  openai:\n    max_tokens: ${HUNTER}",
        "platforms:\n  openai:\n    api_key: ${HUNTER}${HUNTER}\n    base_url: ${HUNTER}",
    ],
)
def test_secrets_appear_in_no_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(ConfigErrors) as caught:
        load(file, env={"HUNTER": "hunter2 is the password"})
    told = [error for error in caught.value.errors if "is not a setting" not in error.message]
    assert "hunter2" not in "".join(str(error) for error in told)


def test_a_secret_written_into_the_file_is_used_with_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("platforms:\n  openai:\n    api_key: sk-hunter2\n")
    (warning,) = load(file).warnings
    assert warning.key == "platforms.openai.api_key"
    assert "write ${OPENAI_API_KEY}" in warning.message
    assert "hunter2" not in str(warning)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=6,
)
texts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["${", "${X}", "$${", "&a ", "*a", "!!int", "? ", "---\n", "\t", "{", "[", "\0"]
    ),
)


@st.composite
def spliced_seeds(draw: st.DrawFn) -> str:
    """The seed with pieces cut out and others put in."""
    text = SEED.read_text()
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 40)))
        text = text[:start] + draw(texts) + text[end:]
    return text


@st.composite
def revalued_seeds(draw: st.DrawFn) -> str:
    """The seed with some values replaced and some keys added, anywhere in the tree."""
    tree = yaml.safe_load(SEED.read_text())
    for _ in range(draw(st.integers(1, 4))):
        node = tree
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            key = draw(st.sampled_from(keys)) if keys else "new"
            if not keys or not isinstance(node[key], dict | list) or draw(st.booleans()):
                break
            node = node[key]
        if isinstance(node, dict):
            node[draw(st.sampled_from([key, "model", "replicas", "price_override"]))] = draw(values)
        elif keys:
            node[key] = draw(values)
    return yaml.safe_dump(tree, allow_unicode=True)


@settings(max_examples=150, deadline=None)
@given(
    text=spliced_seeds() | revalued_seeds(),
    env=st.sampled_from([{}, ALL_SET, dict.fromkeys(ALL_SET, "ä\n"), {"X": "${X}"}]),
)
def test_a_mutated_seed_loads_or_is_a_config_error_that_keeps_the_secrets(
    text: str, env: dict[str, str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "seed.yaml"
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
        told = ""
        try:
            load_settings([file], env, "production")
        except ConfigError as error:
            told = str(error)
        assert not told or str(file) in told
        assert not [secret for secret in SECRETS if secret in told]
        code, lines = run([file], env, "development")
        assert code in {0, 1}
        assert lines
