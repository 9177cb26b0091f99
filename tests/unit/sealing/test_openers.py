"""Who opens the store without keys keeps no texts in it; everybody else opens it with them."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]

# What these keep or read has no sealed column: figures, keys' hashes, articles, settings, the audit.
WITHOUT_TEXTS = {
    "actors/coordinator/actor.py",
    "actors/knowledge/actor.py",
    "deployments/audit_command.py",
    "deployments/audit_witness.py",
    "deployments/first_start.py",
    "deployments/ingress/server.py",
    "deployments/keys.py",
    "deployments/knowledge/command.py",
    "deployments/knowledge/embedders.py",
    "deployments/knowledge/look.py",
    "deployments/logged.py",
    "deployments/platforms/server.py",
    "deployments/replay.py",
    "deployments/savings.py",
}
OPENING = "deployments/key_management/opening.py"
# Repositories whose tables have sealed columns.
SEALING = re.compile(
    r"\b(Conversations|Threads|Facts|ToolCalls|Approvals|ToolTurnStore|Idempotency|PersonRecords)\("
)


def test_nobody_else_opens_the_store_without_its_keys() -> None:
    found = {
        str(path.relative_to(REPOSITORY))
        for package in ("actors", "deployments")
        for path in (REPOSITORY / package).rglob("*.py")
        if re.search(r"(?<!def )\bopen_database\(", path.read_text("utf-8"))
    }
    unknown = found - WITHOUT_TEXTS - {OPENING}
    assert not unknown, f"{unknown}: open it with open_sealed or sealed_store, or say why not here"
    assert found >= {OPENING}


def test_those_who_do_have_no_repository_that_seals() -> None:
    for name in WITHOUT_TEXTS - {"deployments/ingress/server.py"}:
        used = set(SEALING.findall((REPOSITORY / name).read_text("utf-8")))
        # Pruning needs no keys, and the first start's runbooks are no customer's words.
        allowed = {
            "actors/coordinator/actor.py": {"Idempotency"},
            "deployments/first_start.py": {"Conversations"},
        }
        assert used <= allowed.get(name, set()), name
