"""/scim/v2 as Entra ID, Okta and OneLogin drive it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.scim_world import CORE, Directory, Scim, directory, directory_settings

ANN = {
    "schemas": [f"{CORE}:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
    "userName": "Ann@corp.local",
    "externalId": "11111111-0000-4000-8000-000000000001",
    "name": {"givenName": "Ann", "familyName": "Example"},
    "emails": [{"type": "work", "value": "ann@corp.local", "primary": True}],
    "phoneNumbers": [{"type": "work", "value": "+1 555 0100"}],
    "password": "hunter2",
    "active": True,
}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Directory]:
    async with directory(tmp_path, directory_settings()) as world:
        yield world


@pytest.fixture
async def scim(world: Directory) -> Scim:
    return Scim(world.http, await world.key("provisioner"))


async def test_somebody_is_let_in_read_changed_and_put_out(scim: Scim) -> None:
    made = await scim.ask("POST", "/Users", ANN)
    assert made.status_code == 201, made.text
    ann = made.json()
    path = f"/Users/{ann['id']}"
    assert (
        made.headers["location"]
        == ann["meta"]["location"]
        == f"https://support.acme.test/scim/v2{path}"
    )
    assert made.headers["etag"] == ann["meta"]["version"] == 'W/"1"'
    assert made.headers["content-type"].startswith("application/scim+json")
    read = (await scim.ask("GET", path)).json()
    assert read == ann
    assert (read["active"], read["emails"], read["name"]) == (True, ANN["emails"], ANN["name"])
    # What access does not need is not kept.
    assert not {"phoneNumbers", "password"} & read.keys()
    put = await scim.ask("PUT", path, {**ANN, "userName": "ann@new.local", "name": None})
    assert (put.status_code, put.json()["userName"], put.headers["etag"]) == (
        200,
        "ann@new.local",
        'W/"2"',
    )
    assert "name" not in put.json()
    assert (await scim.ask("DELETE", path)).status_code == 204
    gone = await scim.ask("GET", path)
    assert (gone.status_code, gone.json()["status"]) == (404, "404")
    assert gone.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]


@pytest.mark.parametrize(
    ("operation", "attribute", "value"),
    [
        ({"op": "Replace", "path": "active", "value": "False"}, "active", False),
        ({"op": "replace", "value": {"active": False}}, "active", False),
        ({"op": "Add", "value": {"active": "false"}}, "active", False),
        ({"op": "remove", "path": "active"}, "active", False),
        ({"op": "REPLACE", "path": "USERNAME", "value": "bob"}, "userName", "bob"),
        (
            {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "b@x"},
            "emails",
            [{"type": "work", "value": "b@x", "primary": True}],
        ),
        (
            {"op": "Add", "path": 'emails[type eq "home"].value', "value": "h@x"},
            "emails",
            [{"type": "work", "value": "ann@corp.local", "primary": True}, {"type": "home", "value": "h@x"}],
        ),
        ({"op": "Remove", "path": 'emails[type eq "work"]'}, "emails", None),
        ({"op": "add", "path": "name.familyName", "value": "Other"}, "name", {"givenName": "Ann", "familyName": "Other"}),
        ({"op": "replace", "value": {"name.givenName": "A."}}, "name", {"givenName": "A.", "familyName": "Example"}),
        ({"op": "replace", "path": "title", "value": "Boss"}, "title", None),
        ({"op": "replace", "path": "roles", "value": [{"value": "admin"}]}, "roles", None),
    ],
)  # fmt: skip
async def test_a_patch_changes_what_it_names(
    scim: Scim, operation: dict[str, object], attribute: str, value: object
) -> None:
    """Entra ID writes operations large and truth as text; attributes of others are passed over."""
    ann = (await scim.ask("POST", "/Users", ANN)).json()
    answer = await scim.patch(f"/Users/{ann['id']}", operation)
    assert answer.status_code == 200, answer.text
    assert answer.json().get(attribute) == value
    others = {"id", "externalId", "schemas"}
    assert {name: answer.json()[name] for name in others} == {name: ann[name] for name in others}


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ({"op": "replace", "path": "id", "value": "x"}, "mutability"),
        ({"op": "replace", "path": "groups", "value": [{"value": "x"}]}, "mutability"),
        ({"op": "remove", "path": "userName"}, "mutability"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "replace", "path": "userName", "value": ""}, "invalidValue"),
        ({"op": "replace", "path": "userName", "value": "a\nb"}, "invalidValue"),
        ({"op": "replace", "path": "active", "value": "perhaps"}, "invalidValue"),
        ({"op": "replace", "path": "emails[", "value": "x"}, "invalidPath"),
        ({"op": "jump", "path": "active", "value": "x"}, "invalidValue"),
        ({"op": "replace", "path": "userName", "value": "x" * 256}, "invalidValue"),
        ({"op": "replace", "path": "displayName", "value": "a\x00b"}, "invalidSyntax"),
        ({"op": "add", "path": 'emails[type eq "\\u0000"].value', "value": "x"}, "invalidValue"),
        (
            {"op": "add", "path": 'emails[type eq "\\ud800"].value', "value": "x"},
            "invalidValue",
        ),
    ],
)
async def test_a_patch_that_cannot_be_meant_changes_nothing(
    scim: Scim, operation: dict[str, object], kind: str
) -> None:
    """Not even by the operations before it."""
    ann = (await scim.ask("POST", "/Users", ANN)).json()
    first = {"op": "replace", "path": "displayName", "value": "Somebody"}
    answer = await scim.patch(f"/Users/{ann['id']}", first, operation)
    assert (answer.status_code, answer.json()["scimType"]) == (400, kind), answer.text
    assert (await scim.ask("GET", f"/Users/{ann['id']}")).json() == ann


async def test_a_name_is_one_persons_whatever_its_case(scim: Scim) -> None:
    ann = await scim.person("ann")
    for body in ({"userName": "ANN"}, {"userName": "other", "externalId": "ann"}):
        taken = await scim.ask("POST", "/Users", {"schemas": [f"{CORE}:User"], **body})
        assert (taken.status_code, taken.json()["scimType"]) == (409, "uniqueness")
    bob = await scim.person("bob")
    rename = {"op": "replace", "path": "userName", "value": "Ann"}
    assert (await scim.patch(f"/Users/{bob['id']}", rename)).status_code == 409
    assert (await scim.patch(f"/Users/{ann['id']}", rename)).status_code == 200


async def test_a_version_that_was_changed_meanwhile_is_left_alone(scim: Scim) -> None:
    ann = await scim.person("ann")
    path, change = f"/Users/{ann['id']}", {"op": "replace", "path": "displayName", "value": "A"}
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [change]}
    tag = {"if-match": 'W/"1"'}
    assert (await scim.ask("PATCH", path, body, **tag)).status_code == 200
    assert (await scim.ask("PATCH", path, body, **tag)).status_code == 412
    assert (await scim.ask("DELETE", path, **tag)).status_code == 412
    same = await scim.ask("PATCH", path, body)
    assert same.headers["etag"] == 'W/"2"', "what changes nothing is no new version"
    known = await scim.ask("GET", path, **{"if-none-match": 'W/"2"'})
    assert (known.status_code, known.content) == (304, b"")
    assert (await scim.ask("DELETE", path, **{"if-match": '"2"'})).status_code == 204


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('userName eq "ANN"', ["ann"]),
        ('USERNAME Eq "ann"', ["ann"]),
        ('urn:ietf:params:scim:schemas:core:2.0:User:userName eq "bob"', ["bob"]),
        ('externalId eq "ann"', ["ann"]),
        ('externalId eq "ANN"', []),
        ('userName eq "ann" or userName eq "bob"', ["ann", "bob"]),
        ('userName eq "ann" and active eq false', []),
        ('not (userName eq "ann")', ["bob", "cy_d", "cyxd"]),
        ('userName ne "ann" and not (userName eq "bob")', ["cy_d", "cyxd"]),
        ('userName co "Y_"', ["cy_d"]),
        ('userName sw "cy" and active eq "False"', ["cyxd"]),
        ('userName ew "d"', ["cy_d", "cyxd"]),
        ("externalId pr", ["ann", "bob", "cy_d"]),
        ("not (externalId pr)", ["cyxd"]),
        ('externalId ne "ann"', ["bob", "cy_d", "cyxd"]),
        ('meta.created gt "2020-01-01T00:00:00Z" and userName eq "bob"', ["bob"]),
        ('meta.lastModified lt "2020-01-01T00:00:00Z"', []),
        ('userName eq "x\\" or userName pr or \\"" or userName eq "bob"', ["bob"]),
        ('userName eq "\'; DROP TABLE directory_user; --"', []),
        ('userName co "%"', []),
        ('id eq "nobody"', []),
    ],
)
async def test_a_filter_finds_whom_it_names(scim: Scim, text: str, names: list[str]) -> None:
    """Whatever stands in it is a value, in one database as in the other."""
    for name in ("ann", "bob", "cy_d"):
        await scim.person(name)
    await scim.person("cyxd", externalId=None, active=False)
    assert [each["userName"] for each in await scim.found("Users", text)] == names
    assert len(await scim.found("Users", "userName pr")) == 4


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ({"filter": "userName eq"}, "invalidFilter"),
        ({"filter": 'nickName eq "x"'}, "invalidFilter"),
        ({"filter": 'emails[type eq "work"].value eq "x"'}, "invalidFilter"),
        ({"filter": 'externalId sw "a"'}, "invalidFilter"),
        ({"filter": "active gt true"}, "invalidFilter"),
        ({"filter": 'meta.created gt "soon"'}, "invalidFilter"),
        ({"filter": "userName pr and " * 100 + "userName pr"}, "invalidFilter"),
        ({"filter": " or ".join(["id pr"] * 33)}, "invalidFilter"),
        ({"filter": "not (" * 40 + "id pr" + ")" * 40}, "invalidFilter"),
        ({"filter": 'userName eq "a\x00b"'}, "invalidSyntax"),
        ({"filter": 'userName eq "a\\u0000b"'}, "invalidFilter"),
        ({"filter": 'externalId eq "\\ud800"'}, "invalidFilter"),
        ({"startIndex": "one"}, "invalidValue"),
        ({"count": "9" * 5000}, "invalidValue"),
        ({"sortBy": "userName"}, "invalidPath"),
        ({"attributes": "a" * 2000}, "invalidValue"),
        ({"attributes": "userName", "excludedAttributes": "name"}, "invalidValue"),
    ],
)
async def test_a_search_that_cannot_be_done_says_so(
    scim: Scim, query: dict[str, str], kind: str
) -> None:
    answer = await scim.http.get("/scim/v2/Users", params=query, headers=scim.headers)
    assert (answer.status_code, answer.json()["scimType"]) == (400, kind), answer.text


async def test_pages_hold_everybody_once_and_have_an_end(scim: Scim) -> None:
    names = [f"person-{number:03}" for number in range(103)]
    for name in names:
        await scim.person(name)

    async def page(**query: int) -> dict[str, object]:
        answer = await scim.http.get("/scim/v2/Users", params=query, headers=scim.headers)
        return dict(answer.json())

    first, second = await page(), await page(startIndex=101)
    for each, size in ((first, 100), (second, 3)):
        assert (each["totalResults"], each["itemsPerPage"]) == (103, size)
    shown = [*first["Resources"], *second["Resources"]]  # type: ignore[misc]
    assert [each["userName"] for each in shown] == names
    assert (await page(count=100_000))["itemsPerPage"] == 100
    assert (await page(count=0))["Resources"] == []
    assert (await page(count=-5, startIndex=-5))["startIndex"] == 1
    assert (await page(startIndex=10**11))["Resources"] == []


async def test_a_client_chooses_what_it_is_shown(scim: Scim) -> None:
    ann = (await scim.ask("POST", "/Users", ANN)).json()
    one = f"/Users/{ann['id']}"
    few = (await scim.ask("GET", f"{one}?attributes=userName,emails.value")).json()
    assert few.keys() == {"schemas", "id", "userName", "emails"}
    assert few["emails"] == [{"value": "ann@corp.local"}]
    less = (await scim.ask("GET", f"{one}?excludedAttributes=emails,meta")).json()
    assert ann.keys() - less.keys() == {"emails", "meta"}
    group = await scim.group("Support Agents", ann["id"])
    path = f"/Groups/{group['id']}"
    assert (await scim.ask("GET", path)).json()["members"][0]["$ref"].endswith(one)
    assert "members" not in (await scim.ask("GET", f"{path}?excludedAttributes=members")).json()
    values = (await scim.ask("GET", f"{path}?attributes=members.value")).json()
    assert values["members"] == [{"value": ann["id"]}]
    theirs = (await scim.ask("GET", one)).json()["groups"]
    assert [each["display"] for each in theirs] == ["Support Agents"]


async def test_what_is_no_resource_is_answered_as_scim_has_it(scim: Scim, world: Directory) -> None:
    for method, path, status in (
        ("GET", "/Nobodies", 404),
        ("GET", "/Users/nobody", 404),
        ("GET", "/Users/%00", 404),
        ("POST", "/ServiceProviderConfig", 405),
        ("POST", "/Bulk", 404),
    ):
        answer = await scim.ask(method, path)
        assert (answer.status_code, answer.json()["status"]) == (status, str(status))
        assert answer.headers["content-type"].startswith("application/scim+json")
    unread = await scim.http.post("/scim/v2/Users", content=b"{", headers=scim.headers)
    assert (unread.status_code, unread.json()["scimType"]) == (400, "invalidSyntax")
    plain = await scim.ask("POST", "/Users", ANN, **{"content-type": "application/json"})
    assert plain.status_code == 201
    form = await scim.ask("POST", "/Users", ANN, **{"content-type": "text/plain"})
    assert form.status_code == 415
    unnamed = await world.http.get("/scim/v2/Users")
    assert (unnamed.status_code, unnamed.json()["status"]) == (401, "401")
    assert "www-authenticate" in unnamed.headers


async def test_the_directory_describes_itself(scim: Scim) -> None:
    config = (await scim.ask("GET", "/ServiceProviderConfig")).json()
    assert (config["patch"], config["sort"], config["etag"]) == (
        {"supported": True}, {"supported": False}, {"supported": True},
    )  # fmt: skip
    kinds = (await scim.ask("GET", "/ResourceTypes")).json()["Resources"]
    assert [kind["endpoint"] for kind in kinds] == ["/Users", "/Groups"]
    schemas = (await scim.ask("GET", "/Schemas")).json()["Resources"]
    for each in schemas:
        assert (await scim.ask("GET", f"/Schemas/{each['id']}")).json() == each
    kept = {attribute["name"] for attribute in schemas[0]["attributes"]}
    assert kept == {"userName", "name", "displayName", "active", "emails", "groups"}
    assert (await scim.ask("GET", '/Schemas?filter=id eq "x"')).status_code == 403


async def test_a_search_may_come_as_a_body(scim: Scim) -> None:
    for name in ("ann", "bob"):
        await scim.person(name)
    body = {"filter": 'userName eq "bob"', "attributes": ["userName", "id"], "count": 5}
    found = (await scim.ask("POST", "/Users/.search", body)).json()
    assert [each["userName"] for each in found["Resources"]] == ["bob"]
    assert found["Resources"][0].keys() == {"schemas", "id", "userName"}
    groups = await scim.ask("POST", "/Groups/.search", {"filter": 'displayName eq "x"'})
    assert groups.json()["totalResults"] == 0
    assert (await scim.ask("POST", "/Users/.search", {"filter": [{}]})).status_code == 400
    assert (await scim.ask("POST", "/.search", {})).status_code == 501
