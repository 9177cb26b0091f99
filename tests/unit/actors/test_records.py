"""A customer's records are found by what they are about, and only the customer's."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select

from actors.database import Database
from actors.database.people import Person
from actors.database.person_erasure import PersonErasure
from actors.database.tables import customer, metadata
from actors.knowledge import Records
from routing.errors import ConfigError

NORTHWIND = Path(__file__).parents[3] / "config/northwind"


async def test_the_double_charge_is_the_first_thing_found(database: Database) -> None:
    records = Records(database)
    await records.load("northwind", NORTHWIND)
    found = await records.records_of("northwind", "user_123", "I was charged twice", 2)
    assert [passage.text for passage in found] == [
        "Invoice INV-2026-0039 of 2026-11-01: $49.00 paid (payment of 2026-11-01T06:41:05Z), "
        "Team plan, November 2026",
        "Invoice INV-2026-0031 of 2026-11-01: $49.00 paid (payment of 2026-11-01T06:02:22Z), "
        "Team plan, November 2026",
    ]
    assert {passage.source for passage in found} == {"database"}


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Which plan am I on?", "Account 123: Team plan, active, region us-east"),
        ("Where is my onboarding order?", "Order ORD-1018 of 2026-11-19: 1 x Onboarding session"),
        ("What is INV-2026-0002", "Invoice INV-2026-0002 of 2026-08-01: $49.00 paid"),
        ("what did I pay in October?", "Invoice INV-2026-0021 of 2026-10-01: $49.00 paid"),
    ],
)
async def test_a_question_finds_the_record_it_is_about_first(
    database: Database, question: str, text: str
) -> None:
    records = Records(database)
    await records.load("northwind", NORTHWIND)
    found = await records.records_of("northwind", "user_123", question)
    assert found[0].text.startswith(text)
    assert len(found) <= 5


@pytest.mark.parametrize("user", ["user_999", "", "user_12%", "' OR '1'='1"])
async def test_an_unknown_user_has_no_records(database: Database, user: str) -> None:
    records = Records(database)
    await records.load("northwind", NORTHWIND)
    assert await records.records_of("northwind", user, "invoice order account plan") == ()


async def test_a_question_about_none_of_them_finds_none(database: Database) -> None:
    records = Records(database)
    await records.load("northwind", NORTHWIND)
    assert await records.records_of("northwind", "user_123", "who wrote Hamlet") == ()


async def test_no_record_carries_an_address(database: Database) -> None:
    records = Records(database)
    await records.load("northwind", NORTHWIND)
    found = await records.records_of("northwind", "user_123", "email account invoice order", 99)
    assert found
    assert not any("@" in passage.text for passage in found)


async def test_loading_again_changes_nothing_and_another_tenant_has_its_own(
    database: Database,
) -> None:
    records = Records(database)
    assert await records.load("northwind", NORTHWIND)
    assert not await records.load("northwind", NORTHWIND)
    assert await records.load("other", NORTHWIND)


async def test_a_company_whose_last_customer_was_erased_is_not_filled_again(
    database: Database,
) -> None:
    """Their invoices are kept under a pseudonym, and nobody who was erased comes back."""
    records, erasing = Records(database), PersonErasure(database)
    assert await records.load("northwind", NORTHWIND)
    everybody = select(customer.c.user_id).where(customer.c.tenant == "northwind")
    for user in await database.read(lambda c: c.execute(everybody).scalars().all()):
        one = Person("northwind", user, f"h:{user}")
        begun = await erasing.begin(one, [one.pseudonym], "req", 1.0)
        assert begun is not None
        await erasing.run(one, begun)
    assert not await records.load("northwind", NORTHWIND)
    left = await database.read(lambda c: c.scalar(select(func.count(customer.c.user_id))))
    assert left == 0


@pytest.mark.parametrize("table", ["invoice", "customer_order"])
async def test_any_row_of_a_company_says_that_it_was_filled(database: Database, table: str) -> None:
    records = Records(database)
    assert await records.load("northwind", NORTHWIND)
    for other in {"customer", "invoice", "customer_order"} - {table}:
        emptied = delete(metadata.tables[other])
        await database.write(lambda c, emptied=emptied: c.execute(emptied).close())  # type: ignore[misc]
    assert not await records.load("northwind", NORTHWIND)


@pytest.mark.parametrize(
    ("file", "good", "bad", "line", "words"),
    [
        ("invoices.csv", "invoice_id,", "id,", 1, "the first line must be invoice_id,user_id"),
        ("invoices.csv", "1990.00", "1990.005", 2, "amount_usd: cannot be '1990.005'"),
        ("invoices.csv", "1990.00", "a lot", 2, "amount_usd: cannot be 'a lot'"),
        ("invoices.csv", "2026-06-01", "", 2, "issued: cannot be ''"),
        ("invoices.csv", "user_128", "user_1", 2, "user_id: no customer user_1"),
        ("orders.csv", "2026-02-03", "3 Feb", 2, "placed: cannot be '3 Feb'"),
        ("orders.csv", ",completed", "", 2, "has 6 cells, not 7"),
    ],
)
async def test_a_line_that_cannot_be_meant_is_refused_and_nothing_is_written(
    database: Database, tmp_path: Path, file: str, good: str, bad: str, line: int, words: str
) -> None:
    for source in NORTHWIND.glob("*.csv"):
        shutil.copy(source, tmp_path)
    path = tmp_path / file
    path.write_text(path.read_text().replace(good, bad, 1))
    records = Records(database)
    with pytest.raises(ConfigError) as refused:
        await records.load("northwind", tmp_path)
    assert str(refused.value).startswith(f"{path}:{line}: ")
    assert words in str(refused.value)
    assert await records.load("northwind", NORTHWIND)


async def test_a_missing_file_is_refused_by_name(database: Database, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"customers\.csv: cannot be read"):
        await Records(database).load("northwind", tmp_path)
