"""A name is one name everywhere: in what signs on, in the directory, and in what replicas know of it."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from actors.database import open_database
from actors.database.sessions import SessionStore
from actors.subjects import PROGRAM
from config.scim import DirectoryRules
from deployments.scim.models import User
from deployments.scim.people import People
from deployments.security.naming import AS_SAID, Names
from deployments.security.sessions import Sessions
from routing.clock import ManualClock
from tests.audit_world import AuditWorld

BY_NAME = DirectoryRules("acme", "corp", "userName", True, ())
BY_ID = DirectoryRules("globex", "corp", "externalId", True, ())
NAMES = Names([BY_NAME, BY_ID])
_TEXTS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)


@given(_TEXTS)
def test_somebody_is_named_as_their_directory_names_them(name: str) -> None:
    """And a program is one still; named once or twice, in any case, it is the same."""
    user = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name}
    known = People(BY_NAME, "").made(User.model_validate(user).model_dump(), 1.0).subject
    named = NAMES.of("acme", f"corp:{name}")
    assert named == known
    assert NAMES.of("acme", named) == named
    assert NAMES.of("acme", f"corp:{name}ANN") == NAMES.of("acme", f"corp:{name}ann")
    assert NAMES.of("acme", f"{PROGRAM}corp:{name}") == f"{PROGRAM}{named}"


@given(_TEXTS)
def test_where_case_counts_nobody_is_named_otherwise(name: str) -> None:
    """Another provider's people, another tenant's, one's own where ids are ids, customers, and keys."""
    for tenant, subject in (
        ("acme", f"other:{name}"),
        ("acme", f"key:{name}"),
        ("acme", name.replace(":", "")),
        ("globex", f"corp:{name}"),
        ("nowhere", f"corp:{name}"),
    ):
        assert NAMES.of(tenant, subject) == subject
        assert AS_SAID.of(tenant, subject) == subject


async def test_a_session_is_kept_under_the_name_that_everything_else_has(tmp_path: Path) -> None:
    """So that it is found by it: when their roles are asked for, and when they are erased."""
    database, audit = open_database(tmp_path / "x.sqlite"), AuditWorld(tmp_path)
    await database.migrate()
    store = SessionStore(database)
    async with audit.trail() as trail:
        sessions = Sessions(store, lambda _: None, ManualClock(), trail, names=NAMES)
        roles = frozenset({"agent"})
        await sessions.open("acme", "corp:Ann@X.example", "corp", roles, None, "", vouched_at=None)
    assert await store.last_roles("acme", "corp:ann@x.example") == roles
    assert await store.last_roles("acme", "corp:Ann@X.example") is None
    await database.aclose()
