"""What is sealed opens where it was sealed, as it was sealed, and nowhere else."""

import base64

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from actors.database.errors import KeysUnavailable
from actors.sealing.envelope import PREFIX, Place, RowId, is_sealed, number_of, parse, seal_text
from actors.sealing.envelope import open_text as open_parsed
from actors.sealing.errors import SealBroken
from actors.sealing.keys import Allowance, TenantKeys
from actors.sealing.provider import KeyContext

KEY = AESGCM(AESGCM.generate_key(256))
TEXT, SUMMARY = Place("turn", "text"), Place("conversation", "summary")
names = st.text(max_size=8)
rows = st.lists(st.one_of(names, st.integers(0, 2**31)), min_size=1, max_size=3)


def open_text(key: AESGCM, tenant: str, place: Place, row: RowId, stored: str) -> str:
    return open_parsed(key, tenant, place, row, parse(stored))


@given(names, rows, st.text(max_size=200))
def test_it_opens_where_it_was_sealed(tenant: str, row: list[str | int], text: str) -> None:
    sealed = seal_text(KEY, 7, tenant, TEXT, row, text)
    assert is_sealed(sealed)
    assert sealed.isascii()
    assert number_of(sealed) == 7
    assert open_text(KEY, tenant, TEXT, row, sealed) == text


@given(names, rows, names, rows)
def test_it_opens_nowhere_else(
    tenant: str, row: list[str | int], other: str, elsewhere: list[str | int]
) -> None:
    sealed = seal_text(KEY, 1, tenant, TEXT, row, "hello")
    if (tenant, row) != (other, elsewhere):
        with pytest.raises(SealBroken):
            open_text(KEY, other, TEXT, elsewhere, sealed)
    with pytest.raises(SealBroken):
        open_text(KEY, tenant, SUMMARY, row, sealed)
    with pytest.raises(SealBroken):
        open_text(KEY, tenant, Place("turns", "ext"), row, sealed)


def test_a_number_is_not_the_text_of_it() -> None:
    sealed = seal_text(KEY, 1, "acme", TEXT, ("c", 1), "hello")
    with pytest.raises(SealBroken):
        open_text(KEY, "acme", TEXT, ("c", "1"), sealed)


def test_no_byte_of_it_can_be_changed() -> None:
    sealed = seal_text(KEY, 1, "acme", TEXT, ("c", 1), "hello world")
    raw = base64.b64decode(sealed.removeprefix(PREFIX))
    for at in range(len(raw)):
        for bit in (1, 128):
            changed = raw[:at] + bytes((raw[at] ^ bit,)) + raw[at + 1 :]
            text = PREFIX + base64.b64encode(changed).decode()
            with pytest.raises(SealBroken):
                open_text(KEY, "acme", TEXT, ("c", 1), text)


def test_no_character_of_it_can_be_changed() -> None:
    for length in (9, 10, 11):  # every way in which base64 ends
        sealed = seal_text(KEY, 1, "acme", TEXT, ("c", 1), "x" * length)
        for at in range(len(PREFIX), len(sealed)):
            for character in "AQgw=_-+/ \n":
                changed = sealed[:at] + character + sealed[at + 1 :]
                if changed != sealed:
                    with pytest.raises(SealBroken):
                        open_text(KEY, "acme", TEXT, ("c", 1), changed)


@pytest.mark.parametrize("damaged", ["", "AAAA", "a", "!!!!", "AQAAAAE=" * 3, "é"])
def test_what_is_none_of_ours_is_refused(damaged: str) -> None:
    with pytest.raises(SealBroken):
        open_text(KEY, "acme", TEXT, ("c", 1), PREFIX + damaged)


def test_the_same_text_is_never_sealed_twice_the_same() -> None:
    assert len({seal_text(KEY, 1, "a", TEXT, ("c",), "hello") for _ in range(500)}) == 500


def test_a_key_that_there_never_was_is_told_from_one_that_just_came() -> None:
    keys = TenantKeys("acme", {1: KEY}, current=1, allowance=Allowance(10))
    next_one = seal_text(KEY, 2, "acme", TEXT, ("c", 1), "hello")
    invented = seal_text(KEY, 9, "acme", TEXT, ("c", 1), "hello")
    with pytest.raises(SealBroken):
        keys.open(TEXT, ("c", 1), invented)
    assert not keys.is_outdated
    with pytest.raises(KeysUnavailable):
        keys.open(TEXT, ("c", 1), next_one)
    assert keys.is_outdated


def test_where_everything_was_always_sealed_plain_text_is_refused() -> None:
    keys = TenantKeys("acme", {1: KEY}, current=1, allowance=Allowance(10))
    assert keys.open(TEXT, ("c", 1), "from before") == "from before"
    with pytest.raises(SealBroken):
        keys.open(Place("window", "item", is_new=True), ("c", 1), "put there by somebody")
    with pytest.raises(SealBroken):
        keys.open_json(TEXT, ("c", 1), "no object, no seal")


@given(names, names, st.integers(1, 99), st.integers(1, 99))
def test_no_two_data_keys_are_wrapped_under_the_same_context(
    tenant: str, other: str, number: int, another: int
) -> None:
    one, two = KeyContext(tenant, "seal", number), KeyContext(other, "seal", another)
    assert (one.data() == two.data()) == (one == two)
    assert one.data() != KeyContext(tenant, "derive", number).data()


def test_keys_are_not_in_what_is_logged_of_them() -> None:
    keys = TenantKeys("acme", {1: KEY}, current=1, secret=b"s" * 32)
    assert "s" * 32 not in repr(keys)
    assert "AESGCM" not in repr(keys)


def test_what_is_derived_goes_with_the_secret_it_was_derived_from() -> None:
    """It is reckoned once; keys that are loaded anew, or another tenant's, have none of it."""
    keys = TenantKeys("acme", {1: KEY}, secret=b"s" * 32)
    first = keys.derive("privacy")
    assert [keys.derive("privacy"), len(first)] == [first, 32]
    assert keys.derive("another") != first
    assert TenantKeys("acme", {1: KEY}, secret=b"s" * 32).derive("privacy") == first
    assert TenantKeys("acme", {1: KEY}, secret=b"t" * 32).derive("privacy") != first
    assert first.hex() not in repr(keys)
    assert repr(first) not in repr(keys)
    with pytest.raises(KeysUnavailable):
        TenantKeys("acme", {1: KEY}).derive("privacy")
