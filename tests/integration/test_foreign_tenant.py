"""Nobody reaches another tenant: every route and every tool, by every role, with the other's names.

What is somebody else's is answered exactly as what does not exist; nothing of it changes, and not a
word of it is in any answer. The routes are those the product publishes, so one that is new and not
in the walk fails it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.foreign_walk import ROUTES, TOOLS, Asked, filled
from tests.integration.foreign_world import (
    CANARY,
    CONFIGURATION,
    CUSTOMER,
    KINDS,
    RIVAL,
    ROLES,
    SHARED_KINDS,
    VICTIM,
    Victim,
    kept,
    settle_in,
    settle_in_beside,
    settled,
    turned,
)
from tests.integration.test_approvals import mcp
from tests.integration.test_audit import until_found
from tests.integration.test_chat import key_of
from tests.product import Product, running

pytestmark = pytest.mark.timeout(600)

# What SCIM answers where a provider asks for something that is not built; 500 is a fault of ours.
NOT_DONE = 501


# Of an approval or a request: random, so two answers never have the same.
_MADE = re.compile(r"\b[a-z]{3,4}_[0-9a-f]{24,}")


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product of its own, in which both tenants keep a directory."""
    path = tmp_path_factory.mktemp("configuration") / "supportmax.yaml"
    path.write_text(CONFIGURATION)
    with running(path) as product:
        yield product


@pytest.fixture(scope="module")
async def victim(product: Product) -> Victim:
    """Somebody with something of every kind."""
    return await settle_in(product)


def seen(text: str, names: Mapping[str, str]) -> str:
    """An answer without the names it was asked with, and without those made for it alone."""
    for name in sorted(names.values(), key=len, reverse=True):
        text = text.replace(name, "·")
    return _MADE.sub("·", text)


def test_every_route_is_in_the_walk(product: Product) -> None:
    """A new one must say what it does with another tenant's names."""
    with httpx2.Client(base_url=product.address, verify=False) as http:
        paths = http.get("/openapi.json").json()["paths"].items()
    published = {f"{method.upper()} {path}" for path, rows in paths for method in rows}
    assert published == ROUTES.keys()
    for row, asked in ROUTES.items():
        holes = row.count("{")
        # A route with a name in its path is asked with one of the victim's.
        assert all(("{" in each.path) >= bool(holes) for each in asked), row
        assert asked, row


@pytest.mark.parametrize("role", ROLES)
async def test_what_is_another_tenants_is_as_unknown_as_what_is_not_there(
    product: Product, victim: Victim, role: str
) -> None:
    """The same status and, of a refusal, the same words; nothing of it changes or is told."""
    file = product.home / "supportmax.sqlite"
    before = await settled(file)
    found: list[str] = []
    async with product.http(await key_of(product, RIVAL, role)) as http:
        for row, every in ROUTES.items():
            for asked in every:
                theirs = await ask(http, row, asked, victim.ids)
                nobodys = await ask(http, row, asked, victim.unknown())
                alike = theirs.status_code == nobodys.status_code
                if theirs.status_code >= 400:
                    words = seen(theirs.text, victim.ids), seen(nobodys.text, victim.unknown())
                    alike = alike and words[0] == words[1]
                if not alike or (theirs.status_code >= 500 and theirs.status_code != NOT_DONE):
                    found.append(f"{asked}: {theirs.status_code} {theirs.text[:200]!r}, "
                                 f"unknown: {nobodys.status_code} {nobodys.text[:200]!r}")  # fmt: skip
                if told := told_of(theirs, victim):
                    found.append(f"{asked} is told {told}")
    assert found == []
    assert kept(file) == before


# How a name can be written otherwise, and yet be taken for it by whoever reads it carelessly.
SPELLINGS = ("{}", "{} ", "{}/", "./{}", f"{VICTIM}/{{}}", f"{VICTIM}:{{}}", "{}%00")
_HOLE = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class Mixed:
    """A request in which `foreign` says, of each name that is not the caller's own, of what kind and how spelt."""

    row: str
    asked: Asked
    foreign: Mapping[str, tuple[str, str]]
    role: str


@st.composite
def mixed(draw: st.DrawFn) -> Mixed:
    """Foreign names of any kind in any places, beside the caller's own in the others."""
    every = [(row, asked) for row in ROUTES for asked in ROUTES[row] if _HOLE.search(repr(asked))]
    row, asked = draw(st.sampled_from(every))
    holes = sorted(set(_HOLE.findall(repr(asked))))
    places = draw(st.sets(st.sampled_from(holes), min_size=1))
    # A directory's own entries would be renamed, and the next question about them another.
    renames = "/scim/" in row and not row.startswith("GET")
    foreign = {
        hole: (draw(st.sampled_from((hole, *KINDS))), draw(st.sampled_from(SPELLINGS)))
        for hole in holes
        if hole in places or hole not in SHARED_KINDS or renames
    }
    return Mixed(row, asked, foreign, draw(st.sampled_from(ROLES)))


@pytest.fixture(scope="module")
async def own(product: Product) -> Mapping[str, str]:
    """What the rival has of the same kinds."""
    return await settle_in_beside(product)


@pytest.fixture(scope="module")
async def keys(product: Product) -> Mapping[str, str]:
    """The rival's, one of every role."""
    return {role: await key_of(product, RIVAL, role) for role in ROLES}


@pytest.fixture(scope="module")
async def still(product: Product, victim: Victim) -> dict[str, list[tuple[object, ...]]]:
    """All that the victim has."""
    return await settled(product.home / "supportmax.sqlite")


@settings(max_examples=250, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(mixed=mixed())
async def test_a_foreign_name_in_any_place_beside_ones_own_opens_nothing(
    product: Product, victim: Victim, own: Mapping[str, str], keys: Mapping[str, str],
    still: dict[str, list[tuple[object, ...]]], mixed: Mixed,
) -> None:  # fmt: skip
    """Names of another kind too, and written otherwise."""
    theirs, nobodys = dict(own), dict(own)
    for hole, (kind, spelling) in mixed.foreign.items():
        theirs[hole] = spelling.format(victim.ids[kind])
        nobodys[hole] = spelling.format(turned(victim.ids[kind]))
    async with product.http(keys[mixed.role]) as http:
        first, second = [
            await ask(http, mixed.row, mixed.asked, names) for names in (theirs, nobodys)
        ]
    assert first.status_code == second.status_code, (first.text, second.text)
    assert first.status_code < 500 or first.status_code == NOT_DONE, first.text
    if first.status_code >= 400:
        assert seen(first.text, victim.ids) == seen(second.text, victim.unknown())
    assert told_of(first, victim) == []
    assert kept(product.home / "supportmax.sqlite") == still


async def ask(
    http: httpx2.AsyncClient, row: str, asked: Asked, names: Mapping[str, str]
) -> httpx2.Response:
    method = row.partition(" ")[0]
    body = None if asked.body is None else filled(asked.body, names)
    return await http.request(method, str(filled(asked.path, names)), json=body)


def told_of(answer: httpx2.Response, victim: Victim) -> list[str]:
    """What of the victim's is in an answer that the question did not bring along."""
    request = answer.request
    brought = f"{unquote(str(request.url))} {request.content.decode(errors='replace')}"
    secrets = {CANARY, *victim.ids.values(), *victim.unsaid} - {CUSTOMER, victim.ids["runbook"]}
    if request.url.path == "/v3/audit":
        # It tells a tenant what its own people asked, with the names they gave: those of the walk.
        secrets = set(victim.unsaid)
    everything = answer.text + str(answer.headers)
    return [name for name in sorted(secrets) if name in everything and name not in brought]


@pytest.mark.parametrize(
    "role", [role for role in ROLES if role not in {"customer", "region", "provisioner"}]
)
async def test_no_tool_reaches_another_tenant(product: Product, victim: Victim, role: str) -> None:
    """About the victim's customer, in the victim's conversation, with the names of its things."""
    file = product.home / "supportmax.sqlite"
    before = await settled(file)
    key = await key_of(product, RIVAL, role)
    answers: list[dict[str, str]] = []
    for names in (victim.ids, victim.unknown()):
        said: dict[str, str] = {}
        answers.append(said)
        about = {"conversation": names["conversation"]}
        async with mcp(product, key, names["customer"], **about) as client:
            offered = {tool.name for tool in (await client.list_tools()).tools}
            assert offered <= TOOLS.keys(), "a tool is not in the walk"
            for tool in sorted(offered):
                arguments = filled(TOOLS[tool], names)
                assert isinstance(arguments, dict)
                answer = await client.call_tool(tool, arguments)
                said[tool] = seen(str(answer.content), names)
            assert (await client.list_resources()).resources == []
            assert (await client.list_prompts()).prompts == []
    theirs, nobodys = answers
    for tool in theirs:
        assert not [said for said in {CANARY, *victim.unsaid} if said in theirs[tool]], tool
        assert theirs[tool] == nobodys[tool], tool
    assert kept(file) == before


async def test_the_walk_sees_what_is_there(product: Product, victim: Victim) -> None:
    """The victim's own administrator is answered, so the walk above asks for what exists."""
    own = [
        "GET /v3/decisions/{id}", "GET /v3/budgets/{id}", "GET /v1/conversations/{id}/items/{item}",
        "GET /v3/memory/{user_id}", "GET /v3/approvals/{id}", "POST /v3/mcp/context",
    ]  # fmt: skip
    async with product.http(await key_of(product, "victim")) as http:
        for row in own:
            answer = await ask(http, row, ROUTES[row][0], victim.ids)
            assert answer.status_code == 200, (row, answer.text)
            nothing = await ask(http, row, ROUTES[row][0], victim.unknown())
            assert nothing.status_code == 404 or nothing.text != answer.text, row
        listed = (await http.get("/admin/mcp/servers")).text + (await http.get("/admin/keys")).text
        assert CANARY in listed
        # What only the victim's own log says is said there, or its absence above would mean nothing.
        logged = await until_found(http, 1, action="PUT /admin/budgets/{id}")
        assert {row["subject"] for row in logged} & victim.unsaid
