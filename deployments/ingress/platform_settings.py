"""/admin/platforms/configure: platforms' settings changed while they are in use, and put back.

The platforms are one service's and many tenants use them, so this is the operator's: an
administrator of any other tenant is refused, however much they may do in their own.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import orjson
from pydantic import SecretStr
from starlette.responses import Response

from actors.database.platform_settings import PlatformSettingsStore, SettingsVersion, Taken
from config.changes import (
    Changes,
    merged,
    missed,
    must_be_changeable,
    must_not_be_missed,
)
from config.loader import Loaded, load_settings
from config.problems import ConfigErrors
from config.resolve import resolve_platforms
from config.settings import Settings
from deployments.ingress import platform_settings_schema as schema
from deployments.ingress.parameters import number
from deployments.ingress.routes import Call, Operation, reply
from deployments.ingress.settings_figures import differences, shown_of, version_row, waiting_row
from deployments.platforms.settings_watch import newest_of
from deployments.platforms.settled import settle
from deployments.security.operators import must_operate
from deployments.security.trail import request_id
from routing.clock import Clock
from routing.errors import AccessError, ConfigError, ConflictError, RequestError, Violation

if TYPE_CHECKING:
    from deployments.boot import Boot
    from deployments.ingress.in_force import InForce
    from routing.message import Json, JsonObject

_log = logging.getLogger(__name__)

PERMISSION = "platforms:configure"
LIMIT, LIMIT_MAX = 20, 100
_VERSION_MAX = 10**9
QUERY = {
    "before": number("`next` of the page before", 1, _VERSION_MAX),
    "limit": number(f"how many versions of the history; {LIMIT} without it", 1, LIMIT_MAX),
}
# Two seconds are promised; a busy machine is waited for, so that "no word yet" means that something is wrong.
IN_FORCE_S = 5.0
_LOOK_EVERY_S = 0.1
_SECRET_MIN = 8
# All changes of all platforms together: fifty models with prices each are 10 kB.
CHANGES_MAX_BYTES = 65_536


class PlatformSettingsRoutes:
    """The routes, for administrators of `operators` alone."""

    def __init__(
        self, boot: "Boot", in_force: "InForce", operators: frozenset[str], clock: Clock
    ) -> None:
        self._boot = boot
        self._in_force = in_force
        self._store: PlatformSettingsStore = in_force.store
        self._operators = operators
        self._clock = clock

    def operations(self) -> list[Operation]:
        """The rows of the table."""
        path = "/admin/platforms/configure"
        return [
            Operation(
                "GET", path, "Platforms' settings as they are, and every change of them",
                PERMISSION, "read", "access", self.show, schema.SettingsBody, query=QUERY,
            ),
            Operation(
                "POST", path, "Change settings of a platform while it is in use, or put them back",
                PERMISSION, "admin", "action", self.configure, schema.Configured,
                schema.ConfigureBody, conflict="Somebody has changed the settings meanwhile",
                intent=_intent, further={"404": "No such version to restore, or not any more"},
            ),
        ]  # fmt: skip

    async def show(self, call: Call) -> Response:
        """GET: what holds, and a page of the history."""
        must_operate(call.principal, self._operators)
        before, limit = _page(call.request.query_params)
        newest = await newest_of(self._store)
        rows = await self._store.history(before, limit + 1)
        waiting = await self._waiting(newest.version)
        now = self._in_force.settled
        shown = {name: shown_of(name, given) for name, given in now.settings.platforms.present()}
        platforms = [
            {
                "name": each.name,
                "state": each.state,
                "detail": each.reason,
                "settings": shown[each.name],
                "changed": dict(newest.changes.get(each.name, {})),
            }
            for each in now.resolved
        ]
        return reply(
            {
                "version": newest.version,
                "in_force": not waiting,
                "waiting_for": [waiting_row(each) for each in waiting],
                "platforms": platforms,
                "history": [version_row(row) for row in rows[:limit]],
                "next": rows[limit - 1].version if len(rows) > limit else None,
            }
        )

    async def configure(self, call: Call) -> Response:
        """POST: check everything, write a version, and say which processes work with it."""
        must_operate(call.principal, self._operators)
        body: schema.ConfigureBody = call.body
        before = await newest_of(self._store)
        if body.expected_version not in {None, before.version}:
            raise _changed(before.version)
        changes = await self._asked(body, before)
        was = (await asyncio.to_thread(settle, self._boot, before.changes)).settings
        try:
            loaded = await asyncio.to_thread(_checked, self._boot, changes)
            must_not_be_missed(was, loaded.settings)
        except ConfigError as error:
            raise _unusable(error, body) from None
        self._must_be_reachable(loaded.settings, body)
        diff = tuple(differences(was, loaded.settings, before.changes, changes))
        concerned = {f"platforms.{name}.{key}" for name in changes for key in changes[name]}
        told = [notice for notice in loaded.warnings if notice.key in concerned]
        warnings = [f"{notice.key}: {notice.message}" for notice in told]
        warnings += missed(loaded.settings)
        if body.dry_run or changes == before.changes:
            is_new = changes != before.changes
            version = before.version + (1 if is_new else 0)
            return _configured(version, diff, warnings, [], dry_run=body.dry_run)
        made = SettingsVersion(
            before.version + 1,
            body.platform,
            body.restore,
            changes,
            diff,
            call.principal.tenant,
            call.principal.subject,
            request_id.get(),
            self._clock.now(),
        )
        if not await self._store.add(made):
            raise _changed(await self._store.number())
        keys = ", ".join(str(cast("JsonObject", each)["key"]) for each in diff)
        by = call.principal.subject
        _log.warning("settings are at version %d (%s) by the word of %s", made.version, keys, by)
        call.words.append(f"version:{made.version}")
        waiting = await self._until_in_force(made.version)
        return _configured(made.version, diff, warnings, waiting, dry_run=False)

    async def _asked(self, body: schema.ConfigureBody, before: SettingsVersion) -> Changes:
        """All changes that are to hold."""
        if body.restore is not None and body.changes is None and body.platform is None:
            if body.restore == 0:
                return {}
            earlier = await self._store.get(body.restore)
            if earlier is None:
                raise AccessError("not_found", f"There is no version {body.restore} any more.")
            return earlier.changes
        if body.platform is None or body.changes is None or body.restore is not None:
            message = "Say platform and changes, or restore and nothing else of the three."
            raise RequestError("invalid_request", message, (Violation("/platform", message),))
        asked = cast("JsonObject", body.changes)
        try:
            must_be_changeable(body.platform, asked)
        except ConfigErrors as errors:
            raise _unusable(errors, body) from None
        self._must_hold_no_secret(body)
        changes = merged(before.changes, body.platform, asked)
        if len(orjson.dumps(changes)) > CHANGES_MAX_BYTES:
            message = f"All changes together are larger than {CHANGES_MAX_BYTES // 1024} KiB."
            raise RequestError("invalid_request", message, (Violation("/changes", message),))
        return changes

    def _must_hold_no_secret(self, body: schema.ConfigureBody) -> None:
        """What is changed is kept and shown: a credential that we know is never among it."""
        text = orjson.dumps(body.changes).decode()
        for name, given in self._in_force.settled.settings.platforms.present():
            values = (value for _, value in given if isinstance(value, SecretStr))
            known = (value.get_secret_value() for value in values)
            # What is shorter is a stand-in of somebody's test, and may be in any name.
            if any(len(secret) >= _SECRET_MIN and secret in text for secret in known):
                message = f"A credential of {name} is in it, and settings are shown to people."
                raise RequestError("invalid_request", message, (Violation("/changes", message),))

    def _must_be_reachable(self, after: Settings, body: schema.ConfigureBody) -> None:
        for each in resolve_platforms(after, self._boot.profile):
            if each.state == "disabled" or each.name in self._in_force.reachable:
                continue
            if body.restore is None and body.platform != each.name:
                continue  # it was so before, and the change is another's
            key = f"platforms.{each.name}.enabled"
            message = (
                "it was off when the service started, so no process is there for it; write it into "
                "the file and start again"
            )
            raise _unusable(ConfigErrors([ConfigError("change", None, key, message)]), body)

    async def _until_in_force(self, version: int) -> list[Taken]:
        """The processes that do not work with it, once there are none or the time is over."""
        until = self._clock.monotonic() + IN_FORCE_S
        while waiting := await self._waiting(version):
            if self._clock.monotonic() >= until:
                break
            await asyncio.sleep(_LOOK_EVERY_S)  # no event crosses processes
        return waiting

    async def _waiting(self, version: int) -> list[Taken]:
        taken = await self._store.taken(self._clock.now())
        return [each for each in taken if each.version < version or each.detail]


def _intent(call: Call) -> list[str]:
    """What is to be changed, and whether it is only looked at; the history has what it was and became."""
    body: schema.ConfigureBody = call.body
    words = [] if body.platform is None else [f"platform:{body.platform}"]
    words += [] if body.restore is None else [f"restore:{body.restore}"]
    return [*words, "dry_run"] if body.dry_run else words


def _checked(boot: "Boot", changes: Changes) -> Loaded:
    loaded = load_settings(boot.config, os.environ, boot.profile, changes)
    resolve_platforms(loaded.settings, boot.profile)
    return loaded


def _configured(
    version: int,
    diff: tuple["Json", ...],
    warnings: list[str],
    waiting: list[Taken],
    *,
    dry_run: bool,
) -> Response:
    return reply(
        {
            "version": version,
            "dry_run": dry_run,
            "diff": list(diff),
            "warnings": warnings,
            "in_force": not waiting and not dry_run,
            "waiting_for": [waiting_row(each) for each in waiting],
        }
    )


def _unusable(error: ConfigError, body: schema.ConfigureBody) -> RequestError:
    """What a start would have said, with the pointer to what is to be changed."""
    errors = error.errors if isinstance(error, ConfigErrors) else (error,)
    violations = tuple(
        Violation(_pointer(each, body), f"{each.key}: {each.message}") for each in errors
    )
    detail = "; ".join(violation.message for violation in violations)
    return RequestError("invalid_configuration", detail, violations)


def _pointer(error: ConfigError, body: schema.ConfigureBody) -> str:
    if body.restore is not None:
        return "/restore"
    key = error.key.removeprefix(f"platforms.{body.platform}.")
    return f"/changes/{key.replace('.', '/').replace('[', '/').replace(']', '')}"


def _changed(version: int) -> ConflictError:
    message = f"The settings are at version {version} by now; look at them and ask again."
    return ConflictError("settings_changed", message)


def _page(asked: Mapping[str, str]) -> tuple[int | None, int]:
    """`before` and `limit`; raises RequestError for anything else."""
    numbers: dict[str, int] = {}
    for name, text in asked.items():
        highest = LIMIT_MAX if name == "limit" else _VERSION_MAX
        if name not in QUERY or not text.isascii() or not text.isdecimal() or len(text) > 10:
            message = f"There are: {', '.join(QUERY)}, each a number."
            raise RequestError("invalid_request", message, (Violation(f"/{name[:40]}", message),))
        if not 1 <= int(text) <= highest:
            message = f"It is a number from 1 to {highest}."
            raise RequestError("invalid_request", message, (Violation(f"/{name}", message),))
        numbers[name] = int(text)
    return numbers.get("before"), numbers.get("limit", LIMIT)
