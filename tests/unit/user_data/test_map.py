"""The map of people's data is of all tables: a new one is in it, or no test passes."""

from sqlalchemy import Text

from actors.database import Database
from actors.database.people_map import HOLDINGS, NAMINGS, NOBODYS
from actors.database.person_records import PersonRecords
from actors.database.tables import metadata
from tests.people_world import EVERYBODY

# Columns that name somebody, by what they are called.
_NAMES = ("user", "subject", "customer", "principal", "author", "created_by", "_by", "owner")


def test_every_table_is_in_the_map_or_says_why_it_knows_nobody() -> None:
    """Whoever adds a table says in people_map.py what of it is a person's, or why nothing is."""
    held = {holding.table.name for holding in HOLDINGS}
    named = {naming.table.name for naming in NAMINGS}
    assert set(metadata.tables) == held | named | set(NOBODYS)
    assert not (held & set(NOBODYS))
    assert all(why.endswith(".") for why in NOBODYS.values())


def test_every_column_that_by_its_name_names_somebody_is_in_the_map() -> None:
    known = {(naming.table.name, naming.column) for naming in NAMINGS}
    # Whose rows they are is found by these, or by what they hang on.
    known |= {
        (holding.table.name, column.name) for holding in HOLDINGS for column in holding.table.c
    }
    unknown = {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, Text)
        and any(name in column.name for name in _NAMES)
        and (table.name, column.name) not in known
    }
    # Pseudonyms and a provider's ids; the word for a hold itself, which refuses an erasure; and the
    # names of people only while they are being erased.
    assert unknown == {"audit_event.subject", "erasure.user_id", "legal_hold.user_id"}


def test_what_is_not_erased_says_why() -> None:
    assert all(bool(holding.why) == (holding.fate != "erased") for holding in HOLDINGS)
    assert all(bool(holding.blanked) == (holding.fate == "anonymised") for holding in HOLDINGS)
    sections = [holding.section for holding in HOLDINGS]
    assert len(sections) == len(set(sections))


async def test_the_world_of_these_tests_has_something_of_everybody_in_every_section(
    database: Database,
) -> None:
    sections = {holding.section for holding in HOLDINGS} | {"named_in"}
    for one in EVERYBODY:
        counts = await PersonRecords(database).counts(one.person)
        assert set(counts) == sections, one
