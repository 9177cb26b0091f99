"""Tries are counted under all of their names or none, and forgotten after a quiet time."""

import asyncio

from actors.database import Database
from actors.database.password_tries import PasswordTries, Tally

NAME = Tally("name", 3, 60.0, since_last=True)
ADDRESS = Tally("address", 5, 60.0, since_last=False)


async def test_so_many_tries_and_then_a_quiet_time(database: Database) -> None:
    """Which begins at the last try, as at directories: three an hour in a row are never four."""
    tries = PasswordTries(database)
    for now in (0.0, 50.0, 100.0):
        assert await tries.count("plant", (NAME,), now) is None
    assert await tries.count("plant", (NAME,), 110.0) == 50.0
    assert await tries.count("plant", (NAME,), 159.0) == 1.0
    assert await tries.count("plant", (NAME,), 160.0) is None


async def test_an_addresss_time_begins_at_its_first_try(database: Database) -> None:
    tries = PasswordTries(database)
    for now in (0.0, 10.0, 20.0, 30.0, 40.0):
        assert await tries.count("plant", (ADDRESS,), now) is None
    assert await tries.count("plant", (ADDRESS,), 50.0) == 10.0
    assert await tries.count("plant", (ADDRESS,), 60.0) is None


async def test_a_try_that_may_not_be_made_counts_nowhere(database: Database) -> None:
    tries = PasswordTries(database)
    for _ in range(3):
        assert await tries.count("plant", (NAME, ADDRESS), 0.0) is None
    for _ in range(10):
        assert await tries.count("plant", (NAME, ADDRESS), 1.0) is not None
    for _ in range(2):
        assert await tries.count("plant", (ADDRESS,), 1.0) is None
    assert await tries.count("plant", (ADDRESS,), 1.0) is not None


async def test_a_try_can_be_taken_back_and_all_of_a_name_forgotten(database: Database) -> None:
    tries = PasswordTries(database)
    for _ in range(9):
        assert await tries.count("plant", (NAME,), 0.0) is None
        await tries.take_back("plant", ("name", "unheard-of"))
    for _ in range(3):
        assert await tries.count("plant", (NAME,), 0.0) is None
    await tries.forget("other", ("name",))
    assert await tries.count("plant", (NAME,), 0.0) is not None
    await tries.forget("plant", ("name",))
    assert await tries.count("plant", (NAME,), 0.0) is None


async def test_directories_count_apart(database: Database) -> None:
    tries = PasswordTries(database)
    for _ in range(3):
        assert await tries.count("plant", (NAME,), 0.0) is None
    assert await tries.count("other", (NAME,), 0.0) is None


async def test_of_many_at_once_no_more_get_through_than_may(database: Database) -> None:
    tries = PasswordTries(database)
    said = await asyncio.gather(*(tries.count("plant", (NAME, ADDRESS), 0.0) for _ in range(12)))
    assert said.count(None) == 3
