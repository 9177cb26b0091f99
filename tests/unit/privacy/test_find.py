"""What is personal data by its form is found, and what only looks like it is not."""

import random

import pytest

from deployments.privacy.find import Finder, Span, beside
from tests.unit.privacy.people import INNOCENT, MAKERS, said

SEED = 7
ARABIC = "4111 1111 1111 1111".translate({ord(str(d)): chr(0x660 + d) for d in range(10)})
EACH = 300
# Of a hundred tracking numbers one has the check digits of a national id by accident.
INNOCENT_FOUND_MAX = 0.005


@pytest.fixture(scope="module")
def finder() -> Finder:
    return Finder()


def found(finder: Finder, text: str) -> list[tuple[str, str]]:
    return [(kind, text[start:end]) for start, end, kind in finder.find(text)]


@pytest.mark.parametrize("kind", MAKERS)
def test_every_value_of_a_kind_is_found_whole_in_any_sentence(finder: Finder, kind: str) -> None:
    chance = random.Random(SEED)  # noqa: S311
    missed = []
    for _ in range(EACH):
        text, value = said(chance, kind)
        if (kind, value) not in found(finder, text):
            missed.append((text, found(finder, text)))
    assert missed == []


def test_what_a_shop_writes_of_orders_dates_and_amounts_is_nobodys(finder: Finder) -> None:
    chance = random.Random(SEED)  # noqa: S311
    texts = [maker(chance) for maker in INNOCENT for _ in range(EACH)]
    wrong = [(text, found(finder, text)) for text in texts if finder.find(text)]
    assert len(wrong) <= INNOCENT_FOUND_MAX * len(texts), wrong[:10]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("my ssn 123456789", [("national_id", "123456789")]),
        ("call 2025550123", [("phone", "2025550123")]),
        ("2 4111-1111-1111-1111 and more", [("card", "4111-1111-1111-1111")]),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", [("card", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1")]),
        ("AB12 DE89 3704 0044 0532 0130 00", [("iban", "DE89 3704 0044 0532 0130 00")]),
        ("DE89 3704 0044 0532 0130 00 BIC", [("iban", "DE89 3704 0044 0532 0130 00")]),
        ("'o'brien@example.com'", [("email", "o'brien@example.com")]),
        ("a@b@example.com", [("email", "b@example.com")]),
        ("mailto:casey@example.com?subject=x", [("email", "casey@example.com")]),
        (ARABIC, [("card", ARABIC)]),
        ("RSSMRA85T10A562S", [("national_id", "RSSMRA85T10A562S")]),
        ("2 55 08 14 168 025 38", [("national_id", "2 55 08 14 168 025 38")]),
        ("X1234567L", [("national_id", "X1234567L")]),
        ("86095742719", [("national_id", "86095742719")]),
        ("9999 4105 7058", [("national_id", "9999 4105 7058")]),
        (
            "k: -----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----.",
            [
                (
                    "secret",
                    "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
                )
            ],
        ),
    ],
)
def test_it_is_found_as_people_write_it(
    finder: Finder, text: str, expected: list[tuple[str, str]]
) -> None:
    assert found(finder, text) == expected


CARD, IBAN, LONG = "4111111111111111", "DE89370400440532013000", "a" * 70 + "@" + "b" * 70 + ".com"


@pytest.mark.parametrize(
    ("before", "value", "behind"),
    [
        ("我的卡号是", CARD, "谢谢"),
        ("私のカードは", CARD, "です"),
        ("카드번호는", CARD, "입니다"),
        ("บัตรของฉันคือ", CARD, "ครับ"),
        ("\\u53f7", CARD, "\\u8c22"),
        ("card", CARD, ""),
        ("card_", CARD, "x"),
        ("是", IBAN, "吗"),
        ("IBAN", IBAN, ""),
        ("Konto", IBAN, "Danke"),
        ("IBAN ", "DE89  3704  0044  0532  0130  00", " ok"),
        ("我的IP是", "93.184.216.34", "吗"),
        ("是", "2001:db8::12:1", "吗"),
        ("我是", "RSSMRA85T10A562S", "号"),
        ("CF", "RSSMRA85T10A562S", ""),
        ("请发到", "casey@example.com", "然后" + "好" * 30),
        ("to ", "casey\uff20example.com", "."),
        ("?to=", "casey%40example.com", "&x=1"),
        ("to ", "ca\u200bsey@exam\u200bple.com", "."),
        ("to ", LONG, "."),
        ("to ", "a@b.c.d.e.f.g.h.i.j.example.com", "."),
        *(
            ("a: ", gap.join(["4111", "1111", "1111", "1111"]), " 12/27")
            for gap in (
                "  ",
                "\n",
                "\\n",
                "\t",
                ",",
                ", ",
                "_",
                "*",
                " - ",
                "\u2009",
                "\u200b",
                "\\u00a0",
            )
        ),
    ],
)
def test_it_is_found_where_no_space_parts_it_and_where_much_does(
    finder: Finder, before: str, value: str, behind: str
) -> None:
    assert [one for _, one in found(finder, before + value + behind)] == [value]


@pytest.mark.parametrize(
    ("region", "before", "value", "behind"),
    [
        ("CN", "我的电话是", "13800138000", "谢谢"),
        ("CN", "请打", "+8613800138000", "给我"),
        ("CN", "电话", "+86 138 0013 8000", "谢谢"),
        ("JP", "電話は", "090-1234-5678", "です"),
        ("KR", "전화는", "010-1234-5678", "입니다"),
        ("US", "Nr.", "+49 30 901820", "."),
        ("US", "x", "+493090182000", "y"),
    ],
)
def test_a_telephone_number_is_found_where_no_space_parts_it(
    region: str, before: str, value: str, behind: str
) -> None:
    assert found(Finder(region=region), before + value + behind) == [("phone", value)]


def test_columns_of_numbers_are_no_cards(finder: Finder) -> None:
    chance = random.Random(SEED)  # noqa: S311
    tables = [
        chance.choice(["\n", "\t", ", ", ",", "  "]).join(
            str(chance.randrange(10 ** (size - 1), 10**size)) for _ in range(chance.randrange(2, 9))
        )
        for size in (4, 5, 6, 8, 10)
        for _ in range(EACH)
    ]
    wrong = [text for text in tables if any(one.kind == "card" for one in finder.find(text))]
    assert len(wrong) <= INNOCENT_FOUND_MAX * len(tables), wrong


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",
        "x4111 11111111 1111",
        "41111111\n11111111",
        "1042\n4111\n1111\n1111\n1111",
        "DE89 3704 0044 0532 0130 01",
        "000-12-3456",
        "12345678A",
        "call me on 2026-08-01 06:02",
        "127.0.0.1",
        "std::vector at 12:30:45",
        "user@host",
        "risk-assessment-of-the-year",
        "555-0123",
        "1234567890123456",
        "item 9523456873 and 8069050545",
    ],
)
def test_what_only_looks_like_it_is_left_alone(finder: Finder, text: str) -> None:
    assert found(finder, text) == []


def test_kinds_that_are_not_asked_for_are_not_found() -> None:
    text = "casey@example.com 4111 1111 1111 1111"
    assert found(Finder(["email"]), text) == [("email", "casey@example.com")]


def test_a_number_without_a_country_code_is_of_the_region() -> None:
    assert found(Finder(region="GB"), "020 7946 0958") == [("phone", "020 7946 0958")]
    assert found(Finder(region="US"), "020 7946 0958") == []


def test_of_two_that_overlap_the_second_is_what_the_first_leaves() -> None:
    first = [Span(5, 10, "email"), Span(12, 14, "card")]
    more = [Span(0, 7, "name"), Span(8, 20, "address")]
    assert beside(first, more) == [
        (0, 5, "name"), (5, 10, "email"), (10, 12, "address"), (12, 14, "card"), (14, 20, "address"),
    ]  # fmt: skip
