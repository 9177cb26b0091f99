from pathlib import Path

from config.check import run
from config.schema import SCHEMA, schema_text

SEED = Path(__file__).with_name("seed.yaml")


def test_a_usable_configuration_gives_0_and_a_line_for_every_platform() -> None:
    code, lines = run([SEED], {"OPENAI_API_KEY": "sk-hunter2"}, "development")
    assert code == 0
    assert lines[0].split() == ["openai", "configured", "gpt-6.1-terra"]
    assert lines[1].split()[:3] == ["anthropic", "simulated", "claude-sonnet-5-5"]
    assert lines[1].endswith("ANTHROPIC_API_KEY not set")
    assert lines[2].split()[:2] == ["azure_openai", "simulated"]
    assert lines[-1] == "4 of 4 platforms can answer; 6 warnings, 0 errors"
    assert "hunter2" not in "".join(lines)


def test_warnings_leave_the_code_0_and_name_file_line_and_key() -> None:
    code, lines = run([SEED], {}, "development")
    assert code == 0
    assert f"warning: {SEED}:5: platforms.openai.model: gpt-4 was shut down" in "\n".join(lines)


def test_errors_give_1_and_are_all_listed(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("server:\n  port: x\nrouting:\n  strategy: y\n")
    code, lines = run([file], {}, "development")
    assert code == 1
    assert lines[0].startswith(f"error: {file}:2: server.port: ")
    assert lines[1].startswith(f"error: {file}:4: routing.strategy: ")
    assert lines[2] == "2 errors"


def test_a_file_that_is_not_there_gives_1(tmp_path: Path) -> None:
    code, lines = run([tmp_path / "c.yaml"], {}, "production")
    assert code == 1
    assert "No such file" in lines[0]


def test_a_simulator_in_production_gives_1(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("platforms:\n  openai:\n    simulated: true\n")
    assert run([file], {}, "production")[0] == 1
    assert run([file], {}, "development")[0] == 0


def test_the_shipped_configuration_gives_0_in_both_profiles() -> None:
    assert run(None, {}, "development")[0] == 0
    code, lines = run(None, {}, "production")
    assert code == 0
    assert "no platform can answer" in lines[-2]


def test_the_stored_schema_is_the_one_of_the_settings() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), "run python -m config.schema"
