"""The audit log: who did what with which right, in chains that show every change to them."""

from actors.audit.chain import Chain, open_chain
from actors.audit.errors import AuditUnavailable
from actors.audit.keys import AuditKeys, make_keys, read_keys, read_public_keys
from actors.audit.log import AuditLog
from actors.audit.record import AuditRecord, Outcome

__all__ = [
    "AuditKeys",
    "AuditLog",
    "AuditRecord",
    "AuditUnavailable",
    "Chain",
    "Outcome",
    "make_keys",
    "open_chain",
    "read_keys",
    "read_public_keys",
]
