"""OCSF 1.6: what its schema requires of the two classes that are written."""

import pytest

from actors.audit.ocsf import ocsf
from actors.database.audit_events import AuditEvent
from routing.message import Json, JsonObject

# Attributes with the requirement `required` of the classes and objects of 1.6.0, by their path.
BASE = (
    "activity_id", "category_uid", "class_uid", "metadata.product", "metadata.version",
    "severity_id", "time", "type_uid",
)  # fmt: skip
API_ACTIVITY = (*BASE, "actor", "api.operation", "src_endpoint")
AUTHENTICATION = (*BASE, "user")


def event(action: str, outcome: str = "done", **known: str) -> AuditEvent:
    told = {"tenant": "acme", "subject": "key:ab", "object": "h:1", "request": "req_1", **known}
    return AuditEvent(
        told["tenant"], 1_767_225_600_000, "node-1", 3, action, outcome, told["subject"],
        "api_key", told["object"], "audit:read", "roles:admin", told["request"], 200, 1,
    )  # fmt: skip


def at(body: JsonObject, path: str) -> Json:
    found: Json = body
    for part in path.split("."):
        assert isinstance(found, dict), path
        found = found[part]
    return found


@pytest.mark.parametrize(
    ("action", "class_uid", "activity", "required"),
    [
        ("POST /admin/keys", 6003, 1, API_ACTIVITY),
        ("GET /v3/audit", 6003, 2, API_ACTIVITY),
        ("PUT /admin/budgets/{id}", 6003, 3, API_ACTIVITY),
        ("DELETE /admin/budgets/{id}", 6003, 4, API_ACTIVITY),
        ("tool:tools__refund_invoice", 6003, 99, API_ACTIVITY),
        ("audit.opened", 6003, 99, API_ACTIVITY),
        ("auth.sign_on", 3002, 1, AUTHENTICATION),
        ("auth.sign_off", 3002, 2, AUTHENTICATION),
    ],
)
def test_every_record_has_its_class_its_activity_and_what_they_require(
    action: str, class_uid: int, activity: int, required: tuple[str, ...]
) -> None:
    """Also of nobody's records, where names are empty."""
    for known in ({}, {"tenant": "", "subject": "", "object": "", "request": ""}):
        body = ocsf(event(action, **known))
        assert all(at(body, path) not in (None, "") for path in required if "." in path)
        assert {path.partition(".")[0] for path in required} <= set(body)
        assert (body["class_uid"], body["activity_id"]) == (class_uid, activity)
        assert body["type_uid"] == class_uid * 100 + activity
        assert body["category_uid"] == class_uid // 1000
        # Of Authentication at least one of these.
        assert class_uid != 3002 or {"service", "dst_endpoint"} & set(body)


@pytest.mark.parametrize(
    ("outcome", "status"), [("done", 1), ("denied", 2), ("failed", 2), ("begun", 0), ("stated", 0)]
)
def test_an_outcome_is_a_status_where_it_is_one(outcome: str, status: int) -> None:
    """What has only begun is neither a success nor a failure."""
    assert ocsf(event("PUT /admin/budgets/{id}", outcome))["status_id"] == status
