"""`supportmax platforms`: change settings of platforms while they are in use, over HTTP.

Not in the database behind the service's back: so it takes a key and its permission, passes the
checks of the processes that run, is on record as theirs, and the answer says that it is in force.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2
import yaml

from deployments.clients.door import address_and_key
from deployments.clients.problem import Problem, read_problem
from routing.errors import RequestError

_PATH = "/admin/platforms/configure"
# The service looks for two seconds whether a version is in force; a busy one answers a little later.
_ANSWER_S = 30.0


def run(asked: argparse.Namespace) -> int:
    """Ask the running service, and print what it says; 1 where a process has not taken it yet.

    Raises:
        Problem: it refused, or nobody answered.
        RequestError: a change is not key=value.
    """
    match asked.action:
        case "show":
            shown = _ask("GET", f"{_PATH}?limit=1")
            _print(f"version {shown['version']}")
            for row in shown["platforms"]:
                changed = f"  changed: {json.dumps(row['changed'])}" if row["changed"] else ""
                _print(f"{row['name']:<15} {row['state']:<10}{changed}".rstrip())
            return 0
        case "history":
            for row in _ask("GET", f"{_PATH}?limit={asked.limit}")["history"]:
                _print(f"{row['version']:>6}  {row['at']}  {row['by']}")
                _differences(row["diff"])
            return 0
        case "restore":
            body: dict[str, object] = {"restore": asked.restore}
        case _:
            body = {"platform": asked.platform, "changes": dict(map(_change, asked.change))}
    body["dry_run"] = asked.dry_run
    if asked.expected_version is not None:
        body["expected_version"] = asked.expected_version
    made = _ask("POST", _PATH, body)
    _print(f"version {made['version']}{' (not made)' if made['dry_run'] else ''}")
    _differences(made["diff"])
    for warning in made["warnings"]:
        _print(f"warning: {warning}")
    for process in made["waiting_for"]:
        _print(f"not in force in {process['process']}: {process['detail'] or 'no word yet'}")
    return 1 if made["waiting_for"] else 0


def _change(written: str) -> tuple[str, object]:
    key, equals, value = written.partition("=")
    if not equals or not key:
        raise RequestError("invalid_request", f"{key[:40]} is no key=value")
    try:
        # Text as it stands: what it means is the configuration's to say, and 1.10 may be a name.
        read = yaml.load(value, Loader=yaml.BaseLoader)  # noqa: S506  it makes nothing but text
    except yaml.YAMLError:
        # Not what is written: it may be what somebody copied from elsewhere.
        raise RequestError("invalid_request", f"the value of {key[:40]} is not YAML") from None
    return key, None if read in ("", "null") else read


def _ask(method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
    address, key = address_and_key()
    headers = {"Authorization": f"Bearer {key}"}
    try:
        answer = httpx2.request(
            method, address + path, json=body, headers=headers, timeout=_ANSWER_S
        )
        said = answer.json()
    except httpx2.TransportError as error:
        why = type(error).__name__
        detail = f"{address} does not answer ({why}); is it running? SUPPORTMAX_URL names another"
        raise Problem("unreachable", detail) from error
    except ValueError as error:
        raise Problem("unexpected_reply", f"{address} is no SupportMax.") from error
    if answer.status_code != httpx2.codes.OK:
        raise read_problem(said, answer.status_code)
    return said


def _differences(rows: Sequence[Mapping[str, object]]) -> None:
    for row in rows:
        before, after = json.dumps(row["before"]), json.dumps(row["after"])
        _print(f"        {row['key']}: {before} -> {after}")


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
