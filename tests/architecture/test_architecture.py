"""The house's rules, where a tool can see them."""

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("actors", "config", "deployments", "routing")


@pytest.mark.timeout(120)
def test_data_flows_one_way_and_each_sdk_has_one_importer() -> None:
    """The contracts of import-linter in pyproject.toml hold."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]


def test_our_package_names_are_ours_alone() -> None:
    """A dependency that ships a package called `config` would shadow ours."""
    owners = packages_distributions()
    for package in PACKAGES:
        assert set(owners.get(package, ["supportmax"])) == {"supportmax"}


def test_importing_the_decision_imports_nothing_but_python() -> None:
    """`routing` is pure: it needs no package, so it can be read and tested alone."""
    script = (
        "import sys, routing.decision;"
        "print([m for m in ('ray', 'pydantic', 'starlette', 'sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "name",
    [
        "requirements.lock",
        "requirements-dev.lock",
        "requirements-uv.lock",
        "tests/judges/agent-engine.lock",
        "tests/judges/direct-line.lock",
        "tests/judges/llmock.lock",
    ],
)
def test_locks_are_hashed_and_name_no_registry(name: str) -> None:
    """An index is the installing machine's choice; what is installed is not."""
    text = (ROOT / name).read_text()
    pins = re.findall(r"^[a-z0-9][a-z0-9._-]*==", text, re.MULTILINE)
    assert pins
    assert text.count("--hash=sha256:") >= len(pins)
    assert "://" not in text


def test_the_lock_of_npm_is_hashed_and_names_no_registry() -> None:
    """The same for what npm installs; the only addresses in it are those of people to thank."""
    lock = json.loads((ROOT / "tests/judges/package-lock.json").read_text())
    installed = [package for path, package in lock["packages"].items() if path]
    assert installed
    assert all(package["integrity"].startswith("sha512-") for package in installed)
    assert not any("resolved" in package for package in installed)


def test_pandas_is_not_served() -> None:
    """Ray imports pandas into every replica that can find it: half a second and 30 MB each."""
    text = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"^(pandas|pyarrow)==", text, re.MULTILINE)


def test_nobody_is_told_to_take_supportmax_from_an_index() -> None:
    """The name is not ours there: whoever registers it would be installed by who follows our words."""
    by_name = "supportmax" + "["
    places = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    for package in PACKAGES:
        places += [*(ROOT / package).rglob("*.py"), *(ROOT / package).rglob("*.json")]
    told = [str(path) for path in places if by_name in path.read_text(encoding="utf-8")]
    assert not told


def test_files_stay_readable() -> None:
    """300 lines hold one idea; what needs more is two files."""
    long = [
        (str(path.relative_to(ROOT)), lines)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 320
    ]
    assert long == []
