"""What `supportmax check` says of the names of people: found by what, or why not, and what to do."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from config import check
from config.extras import install
from config.loader import load_settings
from config.names_check import names_problems

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        file = tmp_path / "c.yaml"
        file.write_text(text)
        return file

    return written


def pipeline(folder: Path, language: str, *labels: str) -> Path:
    folder.mkdir()
    meta = {"lang": language, "labels": {"tok2vec": [], "ner": labels}}
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder


def problems(file: Path, folder: Path) -> list[str]:
    """With everything installed that is asked for, in `folder`."""
    settings = load_settings([file], {}, "development").settings
    return [str(error) for error in names_problems(settings, [file], lambda _: folder)]


def test_without_the_setting_nothing_is_asked_for(write: Write) -> None:
    file = write("server:\n  port: 8000\n")
    settings = load_settings([file], {}, "development").settings
    assert list(names_problems(settings, [file], lambda _: None)) == []


def test_without_the_extra_the_command_that_installs_it_is_said(write: Write) -> None:
    file = write("privacy:\n  names:\n    pipelines: [/models/en]\n")
    settings = load_settings([file], {}, "development").settings
    [error] = names_problems(settings, [file], lambda _: None)
    assert str(error).startswith(f"{file}:2: privacy.names: presidio_analyzer is not installed")
    assert install("names") in str(error)


def test_a_pipeline_is_read_of_and_what_is_none_is_said_with_its_line(
    write: Write, tmp_path: Path
) -> None:
    english = pipeline(tmp_path / "en", "en", "PERSON", "ORG")
    polish = pipeline(tmp_path / "pl", "pl", "persName")
    towns = pipeline(tmp_path / "towns", "de", "LOC")
    again = pipeline(tmp_path / "again", "en", "PER")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "meta.json").write_text("[]")
    names = "privacy:\n  names:\n    pipelines:\n"
    good = write(f"{names}      - {english}\n      - {polish}\n")
    assert problems(good, tmp_path) == []
    bad = write(
        f"{names}      - {english}\n      - {towns}\n      - {again}\n      - {tmp_path / 'broken'}\n"
    )
    people, twice, broken = problems(bad, tmp_path)
    assert ":5: privacy.names.pipelines[1]: " in people
    assert "no part that finds people" in people
    assert ":6: privacy.names.pipelines[2]: " in twice
    assert "both of the language en" in twice
    assert ":7: privacy.names.pipelines[3]: " in broken
    assert "is no spaCy pipeline" in broken


def test_a_package_that_is_not_installed_is_said(write: Write) -> None:
    file = write("privacy:\n  names:\n    pipelines: [en_core_web_md]\n")
    settings = load_settings([file], {}, "development").settings
    installed = {"presidio_analyzer": Path(), "spacy": Path()}
    [error] = names_problems(settings, [file], installed.get)
    assert "en_core_web_md is no folder and no installed package" in str(error)


def test_names_that_kinds_leaves_out_are_refused(write: Write) -> None:
    file = write("privacy:\n  kinds: [email]\n  names:\n    pipelines: [/models/en]\n")
    code, lines = check.run([file], {}, "development")
    assert code == 1
    assert "add name, or drop names" in lines[0]


def test_where_nothing_is_sealed_names_are_not_asked_for(write: Write) -> None:
    file = write("privacy:\n  pii: 'off'\n  names:\n    pipelines: [/models/en]\n")
    code, lines = check.run([file], {}, "development")
    assert code == 0
    assert "personal data   not sealed: platforms are told everything" in lines


def test_names_of_others_are_said_to_be_found(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    english = pipeline(tmp_path / "en", "en", "PERSON")
    monkeypatch.setattr("config.names_check._folder", lambda _: tmp_path)
    code, lines = check.run(
        [write(f"privacy:\n  names:\n    pipelines: [{english}]\n")], {}, "development"
    )
    assert code == 0
    assert "personal data   sealed; names of others by 1 pipeline" in lines
