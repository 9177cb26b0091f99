"""Northwind Cloud, the invented product of the demo: its articles and records hold together."""

import csv
import re
from collections import Counter
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

NORTHWIND = Path(__file__).parents[3] / "config" / "northwind"
FOLDERS = ("billing", "account", "technical")
FIELDS = {"id", "title", "category", "audience", "updated", "related", "tags"}


def paths() -> list[Path]:
    return sorted((NORTHWIND / "articles").rglob("*.md"))


def parts(path: Path) -> tuple[str, str]:
    opening, front, body = path.read_text(encoding="utf-8").split("---\n", 2)
    assert opening == "", f"{path.name} does not begin with its front matter"
    return front, body


def front(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(parts(path)[0]))


def body(path: Path) -> str:
    return parts(path)[1]


def article(slug: str) -> str:
    (path,) = (path for path in paths() if path.stem == slug)
    return body(path)


def rows(name: str) -> list[dict[str, str]]:
    with (NORTHWIND / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def test_there_are_at_least_forty_articles_and_six_are_for_agents() -> None:
    """Search needs enough to choose from, and access labels need something to hide."""
    audiences = Counter(front(path)["audience"] for path in paths())
    assert audiences.total() >= 40
    assert audiences["agent"] >= 6
    assert set(audiences) == {"public", "agent"}


def test_article_ids_are_unique_and_run_on_from_billing_to_technical() -> None:
    """Citations name an article by its id, so no two may share one and none may be missing."""
    by_folder = [[front(path)["id"] for path in paths() if path.parent.name == f] for f in FOLDERS]
    in_order = [article_id for ids in by_folder for article_id in sorted(ids)]
    assert in_order == [f"kb-{number:03d}" for number in range(1, len(paths()) + 1)]


def test_every_article_has_the_same_fields_and_they_are_well_formed() -> None:
    """Whoever loads the articles may rely on each field without asking first."""
    for path in paths():
        fields = front(path)
        assert set(fields) == FIELDS, path.name
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", path.stem), path.name
        assert date(2026, 1, 1) <= fields["updated"] <= date(2026, 12, 31), path.name
        assert 3 <= len(fields["tags"]) <= 6, path.name
        assert all(isinstance(tag, str) for tag in fields["tags"]), path.name


def test_the_category_of_an_article_is_the_folder_it_lies_in() -> None:
    """The folder is for people and the field for machines; they must not disagree."""
    assert [path for path in paths() if front(path)["category"] != path.parent.name] == []
    assert {path.parent.name for path in paths()} == set(FOLDERS)


def test_related_articles_exist_and_are_never_the_article_itself() -> None:
    """The knowledge graph is built from these links; a dangling one is an edge to nowhere."""
    known = {front(path)["id"] for path in paths()}
    for path in paths():
        fields = front(path)
        related = fields["related"]
        assert 1 <= len(related) <= 4, path.name
        assert len(set(related)) == len(related), path.name
        assert set(related) <= known - {fields["id"]}, path.name


def test_article_bodies_have_a_heading_and_between_60_and_260_words() -> None:
    """Long enough to answer the question, short enough to fit a prompt as a whole."""
    assert {p.stem: n for p in paths() if not 60 <= (n := len(body(p).split())) <= 260} == {}
    assert [path.stem for path in paths() if "\n## " not in body(path)] == []


def test_every_address_belongs_to_a_reserved_example_domain() -> None:
    """Nothing that ships may reach or name a real person."""
    texts = [path.read_text(encoding="utf-8") for path in NORTHWIND.rglob("*.*") if path.is_file()]
    domains = {domain for text in texts for domain in re.findall(r"@([\w.-]*\w)", text)}
    assert domains == {"example.com", "northwind.example"}
    for customer in rows("customers.csv"):
        number = customer["user_id"].removeprefix("user_")
        assert customer["account_name"] == f"Account {number}"
        assert customer["email"] == f"user_{number}@example.com"


@pytest.mark.parametrize(
    ("name", "key", "pattern", "first", "at_least"),
    [
        ("customers.csv", "user_id", "user_{}", 123, 12),
        ("invoices.csv", "invoice_id", "INV-2026-{:04d}", 1, 30),
        ("orders.csv", "order_id", "ORD-{}", 1001, 15),
    ],
)
def test_record_ids_are_unique_and_continuous(
    name: str, key: str, pattern: str, first: int, at_least: int
) -> None:
    """A gap or a repeat would make an answer cite the wrong record."""
    ids = [row[key] for row in rows(name)]
    assert len(ids) >= at_least
    assert ids == [pattern.format(first + n) for n in range(len(ids))]


@pytest.mark.parametrize("name", ["invoices.csv", "orders.csv"])
def test_every_invoice_and_order_belongs_to_a_known_customer(name: str) -> None:
    """A record without its customer could be shown to nobody."""
    customers = {row["user_id"] for row in rows("customers.csv")}
    assert {row["user_id"] for row in rows(name)} <= customers


@pytest.mark.parametrize("name", ["invoices.csv", "orders.csv"])
def test_amounts_are_positive_decimals_with_two_places(name: str) -> None:
    """Money is never a float on its way through the system."""
    amounts = [Decimal(row["amount_usd"]) for row in rows(name)]
    assert all(amount > 0 for amount in amounts)
    assert {amount.as_tuple().exponent for amount in amounts} == {-2}


def test_closed_columns_hold_only_the_words_the_articles_explain() -> None:
    """An answer can explain a status only if an article does."""
    invoices, orders, customers = rows("invoices.csv"), rows("orders.csv"), rows("customers.csv")
    assert {row["status"] for row in invoices} == {"paid", "open", "failed", "refunded"}
    assert {row["status"] for row in orders} == {"processing", "shipped", "completed", "cancelled"}
    assert {row["plan"] for row in customers} == {"Starter", "Team", "Business"}
    assert {row["region"] for row in customers} == set(
        re.findall(r"^\| `([\w-]+)`", article("regions"), flags=re.MULTILINE)
    )


def test_an_invoice_has_a_time_of_payment_only_if_money_came_in() -> None:
    """Open and failed invoices must not look paid, and nobody pays before the issue date."""
    for invoice in rows("invoices.csv"):
        issued = date.fromisoformat(invoice["issued"])
        if invoice["status"] in {"open", "failed"}:
            assert invoice["paid_at"] == "", invoice
        else:
            assert datetime.fromisoformat(invoice["paid_at"]).date() >= issued, invoice


def test_a_month_of_a_plan_costs_what_the_price_article_says() -> None:
    """Records and articles are quoted side by side, so they may not contradict each other."""
    cells = re.search(r"^\| Price per month \|(.*)\|$", article("plans-and-prices"), re.MULTILINE)
    assert cells is not None
    prices = [Decimal(cell.strip(" $")) for cell in cells[1].split("|")]
    price = dict(zip(("Starter", "Team", "Business"), prices, strict=True))
    months = [
        (plan[1], Decimal(row["amount_usd"]))
        for row in rows("invoices.csv")
        if (plan := re.fullmatch(r"(\w+) plan, [A-Z]\w+ \d{4}", row["description"]))
    ]
    assert len(months) >= 30
    assert [(plan, amount) for plan, amount in months if amount != price[plan]] == []


def test_an_order_costs_its_quantity_times_the_price_in_the_article() -> None:
    """The same promise for add-ons as for plans."""
    listed = re.findall(r"^- (.+): \$(\d+)$", article("add-ons-and-orders"), re.MULTILINE)
    price = {item: Decimal(amount) for item, amount in listed}
    for order in rows("orders.csv"):
        assert Decimal(order["amount_usd"]) == price[order["item"]] * int(order["quantity"]), order


def test_user_123_and_nobody_else_is_charged_twice_for_one_month() -> None:
    """The demo question "I was charged twice" must have one true answer in the records."""
    paid = Counter(
        (row["user_id"], row["issued"][:7], row["description"], row["amount_usd"])
        for row in rows("invoices.csv")
        if row["status"] == "paid"
    )
    twice = {charge: times for charge, times in paid.items() if times > 1}
    assert twice == {("user_123", "2026-11", "Team plan, November 2026", "49.00"): 2}
    assert "Team plan, November 2026" in article("charged-twice")
