"""Assistants in a file: versions, old tools, old models, and where each mistake stands."""

from pathlib import Path

import pytest

from config import ConfigErrors, Loaded, load_settings

PLATFORMS = "platforms:\n  openai: {}\n  anthropic: {}\n"


def load(tmp_path: Path, text: str) -> Loaded:
    file = tmp_path / "c.yaml"
    file.write_text(PLATFORMS + text)
    return load_settings((file,), {}, "development")


def test_a_block_is_one_version_and_a_list_is_several(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        """
assistants:
  asst_abc:
    version: 4
    instructions: Be brief.
  support:
    - {version: 1, model: openai}
    - {version: 2, model: auto:cost, max_tokens: 300}
""",
    ).settings.assistants
    assert [v.version for v in loaded["asst_abc"]] == [4]
    assert [(v.version, v.model, v.max_tokens) for v in loaded["support"]] == [
        (1, "openai", None), (2, "auto:cost", 300),
    ]  # fmt: skip


def test_a_tool_may_be_written_as_the_assistants_api_wrote_it(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        """
assistants:
  a:
    tools:
      - {type: function, function: {name: find, parameters: {type: object}}}
      - {type: function, name: other, description: d}
""",
    ).settings.assistants
    assert [tool.name for tool in loaded["a"][0].tools] == ["find", "other"]


def test_a_model_that_was_shut_down_is_replaced_with_a_warning(tmp_path: Path) -> None:
    """An assistant is older than today's models, more often than not."""
    loaded = load(tmp_path, "assistants:\n  a:\n    model: gpt-4-turbo\n")
    assert loaded.settings.assistants["a"][0].model == "gpt-6.1-terra"
    assert "c.yaml:6: assistants.a.model: gpt-4-turbo was shut down" in str(loaded.warnings[-1])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("  a:\n    modle: auto\n", ":6: assistants.a.modle: is not a setting; did you mean model?"),
        ("  a:\n    - version: 1\n    - versoin: 2\n", ":7: assistants.a[1].versoin: is not"),
        ("  a:\n    model: gpt-2\n", ":6: assistants.a.model: 'gpt-2' is none of the models here"),
        ("  a:\n    state: server\n", ":6: assistants.a.state: state: server keeps"),
        ("  a:\n    - model: anthropic\n      state: server\n", ":7: assistants.a[0].state: state"),
        ("  a:\n    - {version: 1}\n    - {version: 1}\n", ":5: assistants.a: version 1 is written"),
        ("  a: []\n", ":5: assistants.a: has no version"),
        ("  a@1:\n    version: 1\n", ":5: assistants.a@1: an assistant's id is letters"),
        ("  a:\n    tools:\n      - type: code_interpreter\n        name: x\n", ":7: assistants.a.tools[0].type"),
        ("  a:\n    tools:\n      - {type: function, name: f}\n      - {type: function, name: f}\n", "two tools are called f"),
        ("  a:\n    tools:\n      - {type: function, name: f, parameters: {}}\n", "parameters is no schema of an object"),
        ("  a:\n    max_tokens: 0\n", ":6: assistants.a.max_tokens: '0' is written, but expected 1 or more"),
    ],
)  # fmt: skip
def test_every_mistake_is_told_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, "assistants:\n" + text)
    assert says in str(caught.value)
