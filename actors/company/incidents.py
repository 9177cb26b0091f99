"""Incidents: what a customer's trouble is handed to the engineers as."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, insert

from actors.company.customers import customer_of
from actors.database.tool_tables import incident

Severity = Literal[1, 2, 3]


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident the engineers have been given."""

    id: str
    severity: Severity
    status: str


def open_incident(
    connection: Connection,
    tenant: str,
    user_id: str,
    *,
    severity: Severity,
    title: str,
    description: str,
    call_id: str,
    now: float,
) -> Incident:
    """Open one; raises AccessError where there is no such customer."""
    customer_of(connection, tenant, user_id)
    made = Incident(f"inc_{call_id}", severity, "open")
    row = {
        "tenant": tenant, "id": made.id, "user_id": user_id, "severity": severity,
        "title": title, "description": description, "status": made.status,
        "call_id": call_id, "at": now,
    }  # fmt: skip
    connection.execute(insert(incident), row)
    return made
