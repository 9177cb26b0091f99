"""The reserve of random bytes: nobody is given what somebody else was given."""

import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from actors import randomness
from actors.randomness import RESERVE_BYTES, Reserve, random_bytes, random_name

THREADS, EACH = 8, 2_000


def test_no_two_threads_are_given_the_same_bytes() -> None:
    """A nonce that comes twice under one key opens both texts."""
    reserve = Reserve()
    with ThreadPoolExecutor(THREADS) as threads:
        parts = threads.map(lambda _: [reserve.take(12) for _ in range(EACH)], range(THREADS))
    taken = [one for part in parts for one in part]
    assert len(set(taken)) == THREADS * EACH
    assert {len(one) for one in taken} == {12}


def test_a_copy_of_the_process_is_given_other_bytes() -> None:
    """Also one that is made while another thread draws, and holds the lock."""
    random_bytes(1)
    reading, writing = os.pipe()
    with randomness._reserve._lock:
        child = os.fork()
        if child == 0:
            os.write(writing, random_bytes(32))
            os._exit(0)
    os.close(writing)
    theirs = os.read(reading, 32)
    os.close(reading)
    assert os.waitpid(child, 0)[1] == 0
    assert len(theirs) == 32
    assert theirs != random_bytes(32)
    assert theirs not in randomness._reserve._bytes


def test_the_end_of_the_reserve_is_not_given_out_short() -> None:
    reserve = Reserve()
    assert [len(reserve.take(RESERVE_BYTES - 1)), len(reserve.take(5))] == [RESERVE_BYTES - 1, 5]
    with pytest.raises(ValueError, match="more than the reserve holds"):
        reserve.take(RESERVE_BYTES + 1)


def test_names_have_128_bits() -> None:
    names = {random_name() for _ in range(1_000)}
    assert len(names) == 1_000
    assert all(re.fullmatch(r"[0-9a-f]{32}", name) for name in names)
