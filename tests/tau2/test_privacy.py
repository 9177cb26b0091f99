"""Two shops' whole records and the tasks of their customers: whom they are about is sealed, what they are about is not."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from deployments.privacy.find import Finder
from deployments.privacy.known import Fact, Known
from deployments.privacy.seal import Seal
from tests.tau2.test_replay import DATA

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the benchmark's files are not here")
# What stands for an address by the simplest rule there is.
_SIGN = re.compile(r"\b[\w.]+@[\w.]+\w")


def domain(name: str, file: str) -> Any:
    return json.loads((Path(DATA) / name / file).read_text())


@pytest.mark.parametrize("name", ["retail", "airline"])
def test_of_a_shops_records_only_its_customers_addresses_are_found(name: str) -> None:
    """Orders, products, flights and bookings are full of numbers, and none of them is anybody's."""
    finder = Finder()
    for kind, records in domain(name, "db.json").items():
        for record in records.values():
            text = json.dumps(record)
            found = [(one.kind, text[one.start : one.end]) for one in finder.find(text)]
            expected = [("email", address) for address in _SIGN.findall(text)]
            assert found == expected, kind


@pytest.mark.parametrize("name", ["retail", "airline"])
def test_what_customers_tell_of_their_case_keeps_its_numbers(name: str) -> None:
    finder = Finder()
    for task in domain(name, "tasks.json"):
        text = json.dumps(task)
        found = [(one.kind, text[one.start : one.end]) for one in finder.find(text)]
        assert found == [("email", address) for address in _SIGN.findall(text)]


def test_a_customers_own_name_address_and_account_are_sealed_in_what_they_tell() -> None:
    finder = Finder()
    told = " ".join(
        str(task["user_scenario"]["instructions"]) for task in domain("retail", "tasks.json")
    )
    sealed = 0
    for user in domain("retail", "db.json")["users"].values():
        name = f"{user['name']['first_name']} {user['name']['last_name']}"
        if name not in told:
            continue
        facts = [
            Fact("name", name),
            Fact("account", user["user_id"]),
            *(Fact("address", user["address"][part]) for part in ("address1", "zip")),
        ]
        text = Seal(b"key", finder, Known(facts)).text(told)
        sealed += 1
        for fact in facts:
            assert re.search(rf"\b{re.escape(fact.value)}\b", text) is None
    assert sealed > 50
