"""Somebody as a SCIM client writes them, and as the directory keeps them."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson
from scim2_models import Context, Meta, PatchOp, ResponseParameters

from actors.database.directory_rows import UserRow, name_key
from actors.database.directory_users import Membership
from config.scim import DirectoryRules, SubjectOf
from deployments.scim.errors import explained, invalid
from deployments.scim.models import NAME_MAX, POLICY, User, UserGroup

# Twenty addresses and a name of the greatest length are 12 KB.
ATTRIBUTES_MAX = 16_384
OPERATIONS_MAX = 1000
"""Of one PATCH; what changes more is a PUT."""
_KEPT = ("name", "displayName", "emails")


@dataclass(frozen=True, slots=True)
class People:
    """The people of one tenant's directory. `base` is where its resources are (https://…/scim/v2)."""

    rules: DirectoryRules
    base: str

    def made(self, body: Mapping[str, Any], now: float) -> UserRow:
        """Somebody new; active unless it is said otherwise.

        Raises:
            ScimError: it says what cannot be meant.
        """
        with explained():
            person = User.model_validate(
                dict(body), scim_ctx=Context.RESOURCE_CREATION_REQUEST, scim_policy=POLICY
            )
        blank = UserRow(
            tenant=self.rules.tenant,
            id=str(uuid.uuid4()),
            user_name="",
            external_id=None,
            subject=None,
            active=True,
            attributes={},
            version=1,
            created_at=now,
            updated_at=now,
        )
        return self._row(person, blank, is_active=person.active is not False)

    def replaced(self, row: UserRow, body: Mapping[str, Any], now: float) -> UserRow:
        """What `row` is after a PUT. Whether they are active is as it was, where it is not said.

        Raises:
            ScimError: it says what cannot be meant.
        """
        with explained():
            person = User.model_validate(
                dict(body), scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST, scim_policy=POLICY
            )
        is_active = row.active if person.active is None else person.active
        return self._next(row, self._row(person, row, is_active=is_active), now)

    def patched(self, row: UserRow, body: Mapping[str, Any], now: float) -> UserRow:
        """What `row` is after a PATCH. Who is neither active nor not is not.

        Raises:
            ScimError: it says what cannot be meant, or what must not change.
        """
        must_be_few(body)
        person = self.shown(row, ())
        with explained():
            patch = PatchOp[User].model_validate(
                dict(body), scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=POLICY
            )
            patch.patch(person, POLICY)
        return self._next(row, self._row(person, row, is_active=person.active is True), now)

    def shown(self, row: UserRow, groups: Sequence[Membership]) -> User:
        """As it is on the wire."""
        location = f"{self.base}/Users/{row.id}"
        person = User.model_validate(
            {**row.attributes, "userName": row.user_name, "active": row.active}
        )
        person.id, person.external_id = row.id, row.external_id
        person.meta = Meta(
            resource_type="User",
            created=datetime.fromtimestamp(row.created_at, UTC),
            last_modified=datetime.fromtimestamp(row.updated_at, UTC),
            location=location,
            version=etag(row.version),
        )
        person.groups = [
            UserGroup(
                value=each.group_id,
                ref=f"{self.base}/Groups/{each.group_id}",
                display=each.display_name,
            )
            for each in groups
        ] or None
        return person

    def dumped(
        self, row: UserRow, groups: Sequence[Membership], asked: ResponseParameters[Any]
    ) -> dict[str, object]:
        """As it is on the wire, with the attributes that are asked for."""
        return self.shown(row, groups).model_dump(
            scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=asked
        )

    def _row(self, person: User, row: UserRow, *, is_active: bool) -> UserRow:
        user_name, external_id = person.user_name or "", person.external_id or None
        _must_be_a_name("userName", user_name)
        if external_id is not None:
            _must_be_a_name("externalId", external_id)
        said = person.model_dump()
        attributes = {name: said[name] for name in _KEPT if name in said}
        try:
            written = orjson.dumps(attributes)
        except orjson.JSONEncodeError as error:
            raise invalid("A text holds half a character.") from error
        if len(written) > ATTRIBUTES_MAX:
            raise invalid(f"What is kept of somebody has {ATTRIBUTES_MAX} bytes at most.")
        if b"\\u0000" in written:
            raise invalid("No text holds the character NUL.")
        return replace(
            row,
            user_name=user_name,
            external_id=external_id,
            subject=self._subject(row.id, user_name, external_id),
            active=is_active,
            attributes=attributes,
        )

    def _subject(self, user_id: str, user_name: str, external_id: str | None) -> str | None:
        said: dict[SubjectOf, str | None] = {
            "externalId": external_id,
            "userName": name_key(user_name),
            "id": user_id,
        }
        subject = said[self.rules.subject]
        return None if subject is None else f"{self.rules.provider}:{subject}"

    def _next(self, before: UserRow, after: UserRow, now: float) -> UserRow:
        if after == before:
            return before
        return replace(after, version=before.version + 1, updated_at=now)


def etag(version: int) -> str:
    """A version as HTTP has it: weak, since what is shown may be chosen by the reader."""
    return f'W/"{version}"'


def _must_be_a_name(attribute: str, text: str) -> None:
    """Return if a token could have this as its subject, to the letter."""
    if not 0 < len(text) <= NAME_MAX:
        raise invalid(f"{attribute} has 1 to {NAME_MAX} characters.")
    if not text.isprintable() or text != text.strip():
        raise invalid(f"{attribute} is printable, with nothing blank around it.")


def must_be_few(body: Mapping[str, Any]) -> None:
    """Return if a PATCH has no more operations than one may; raises ScimError."""
    for name, value in body.items():
        if name.lower() == "operations" and isinstance(value, list) and len(value) > OPERATIONS_MAX:
            raise invalid(f"A PATCH has {OPERATIONS_MAX} operations at most.")
