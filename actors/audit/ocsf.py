"""Records in the words of the Open Cybersecurity Schema Framework 1.6, for whoever collects logs.

Sign-on and sign-off are Authentication (3002), everything else is API Activity (6003). What has
no place there is in `unmapped`. Addresses of callers are not recorded, so the source endpoint,
which the schema requires, is named by the credential.
"""

import importlib.metadata
from collections.abc import Mapping

import orjson

from actors.database.audit_events import AuditEvent
from routing.message import Json, JsonObject

VERSION = "1.6.0"
MEDIA_TYPE = "application/x-ndjson"

_ACTIVITIES: Mapping[str, tuple[int, str]] = {
    "POST": (1, "Create"), "GET": (2, "Read"), "PUT": (3, "Update"), "DELETE": (4, "Delete"),
}  # fmt: skip
_OTHER = (99, "Other")
_SIGN_ON: Mapping[str, tuple[int, str]] = {
    "auth.sign_on": (1, "Logon"),
    "auth.sign_off": (2, "Logoff"),
}
# Of a decision that stands the rest is not known yet; of what the log says of itself, neither.
_STATUSES: Mapping[str, tuple[int, str]] = {
    "done": (1, "Success"), "denied": (2, "Failure"), "failed": (2, "Failure"),
}  # fmt: skip
_UNKNOWN = (0, "Unknown")
_INFORMATIONAL, _LOW = (1, "Informational"), (2, "Low")


def ocsf_line(event: AuditEvent) -> bytes:
    """The record as one line of JSON."""
    return orjson.dumps(ocsf(event), option=orjson.OPT_APPEND_NEWLINE)


def ocsf(event: AuditEvent) -> JsonObject:
    """The record as an event."""
    is_sign_on = event.action in _SIGN_ON
    method = event.action.partition(" ")[0]
    activity = _SIGN_ON.get(event.action) or _ACTIVITIES.get(method, _OTHER)
    status = _STATUSES.get(event.outcome, _UNKNOWN)
    severity = _LOW if event.outcome == "denied" else _INFORMATIONAL
    kind = (3002, "Authentication", 3, "Identity & Access Management")
    if not is_sign_on:
        kind = (6003, "API Activity", 6, "Application Activity")
    user: JsonObject = {"uid": event.subject or "nobody", "type_id": 0}
    said: dict[str, Json] = {
        "metadata": _metadata(event),
        "time": event.at_ms,
        "class_uid": kind[0], "class_name": kind[1],
        "category_uid": kind[2], "category_name": kind[3],
        "activity_id": activity[0], "activity_name": activity[1],
        "type_uid": kind[0] * 100 + activity[0], "type_name": f"{kind[1]}: {activity[1]}",
        "severity_id": severity[0], "severity": severity[1],
        "status_id": status[0], "status": status[1],
        "count": event.count,
        "actor": {"user": user},
        "unmapped": {
            "credential": event.credential, "outcome": event.outcome,
            "permission": event.permission, "place": f"{event.chain}/{event.n}",
        },
    }  # fmt: skip
    if event.reason:
        said["status_detail"] = event.reason
    if event.status:
        said["status_code"] = str(event.status)
    if is_sign_on:
        return {**said, "user": user, "service": {"name": "supportmax"}}
    api: dict[str, Json] = {"operation": event.action, "service": {"name": "supportmax"}}
    if event.request:
        api["request"] = {"uid": event.request}
    if event.object:
        said["resources"] = [{"uid": event.object}]
    return {**said, "api": api, "src_endpoint": {"name": event.credential or "supportmax"}}


def _metadata(event: AuditEvent) -> JsonObject:
    version = importlib.metadata.version("supportmax")
    told: dict[str, Json] = {
        "version": VERSION,
        "product": {"name": "SupportMax", "vendor_name": "SupportMax", "version": version},
        "uid": f"{event.chain}/{event.n}",
        "sequence": event.n,
        "log_name": "audit",
    }
    if event.request:
        told["correlation_uid"] = event.request
    if event.tenant:
        told["tenant_uid"] = event.tenant
    return told
