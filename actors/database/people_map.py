"""The one map of all tables: where something about a person stands, and what becomes of it.

Export, erasure and retention go by it and by nothing else; a table that is not in it fails a test.
`HOLDINGS` stand in the order in which they can be erased: what is found through something else
comes before it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from actors.database.administration_tables import platform_settings, role_assignment
from actors.database.budget_tables import (
    budget,
    budget_abroad,
    budget_lease,
    budget_loan,
    budget_spend,
)
from actors.database.directory_tables import directory_end, directory_member, directory_user
from actors.database.federation_tables import mcp_server, mcp_tool_pin
from actors.database.identity_tables import session
from actors.database.memory_tables import memory_fact, runbook_run, runbook_step
from actors.database.people import (
    MOMENT,
    PSEUDONYM,
    Holding,
    Naming,
    configured_limits,
    grouped,
    in_conversations,
    in_directory,
    kept_answer,
    limits,
    made_keys,
    named_in,
    of_answers,
    own_limits,
    rated,
    through,
)
from actors.database.savings_tables import saving
from actors.database.tables import (
    api_key,
    conversation,
    customer,
    customer_order,
    decision,
    feedback,
    idempotency,
    invoice,
    ledger,
    thread,
    thread_item,
    turn,
)
from actors.database.tool_tables import (
    incident,
    password_reset,
    plan_change,
    refund,
    tool_approval,
    tool_call,
)
from actors.database.tool_turns import tool_turn
from actors.database.user_data_tables import legal_hold

_PROVISIONED = "An identity provider keeps it here; it goes when the person is removed there."
_ACCOUNTS = "Amounts that accounts must keep; whose they were is replaced by a pseudonym."
_FIGURES = (
    "Tokens, times and amounts; nothing in them says whose they were once the turns are gone."
)
_TODAY = "What was spent on a day; gone within days, and needed until then so that limits hold."

HOLDINGS: tuple[Holding, ...] = (
    Holding(section="feedback", table=feedback, whose=rated),
    Holding(section="decisions", table=decision, whose=of_answers(decision)),
    Holding(
        section="ledger", table=ledger, whose=of_answers(ledger), fate="kept", why=_FIGURES
    ),
    Holding(
        section="savings", table=saving, whose=of_answers(saving), fate="kept", why=_FIGURES
    ),
    Holding(
        section="kept_answers", table=idempotency, whose=kept_answer("done"),
        hidden=frozenset({"lease"}),
    ),
    Holding(
        section="requests_under_way", table=idempotency, whose=kept_answer("running"),
        fate="anonymised", blanked={"user_id": None, "lease": "erased"},
        hidden=frozenset({"lease"}),
        why="The hash of a request whose answer will not be kept; gone within a day.",
    ),
    Holding(section="tool_turns", table=tool_turn, whose=in_conversations(tool_turn)),
    Holding(
        section="tool_calls", table=tool_call, whose=in_conversations(tool_call, "customer")
    ),
    Holding(
        section="approvals", table=tool_approval, hidden=frozenset({"live_key"}),
        whose=in_conversations(tool_approval, "customer"),
    ),
    Holding(
        section="runbook_steps", table=runbook_step,
        whose=through(runbook_step, "run_id", runbook_run),
    ),
    Holding(section="runbook_runs", table=runbook_run, whose=named_in(runbook_run, "user_id")),
    Holding(section="facts", table=memory_fact, whose=named_in(memory_fact, "user_id")),
    Holding(section="turns", table=turn, whose=in_conversations(turn)),
    Holding(section="conversations", table=conversation, whose=named_in(conversation, "user_id")),
    Holding(
        section="thread_items", table=thread_item,
        whose=through(thread_item, "thread_id", thread),
    ),
    Holding(
        section="threads", table=thread, whose=named_in(thread, "user_id"), hidden=frozenset({"lease"})
    ),
    # Before sessions and roles: a maker of whom neither tells anything holds a key to no less than it was given.
    Holding(
        section="keys", table=api_key, whose=made_keys(is_live=True), fate="anonymised",
        blanked={"created_by": PSEUDONYM, "name": "erased", "revoked_at": MOMENT}, hidden=frozenset({"hash"}),
        why="Keys that opened something until now, without their names; who made them is replaced by a pseudonym.",
    ),
    Holding(
        section="ended_keys", table=api_key, whose=made_keys(is_live=False), fate="anonymised",
        blanked={"created_by": PSEUDONYM, "name": "erased"}, hidden=frozenset({"hash"}),
        why="Keys that open nothing, without their names; who made them is replaced by a pseudonym.",
    ),
    Holding(
        section="sessions", table=session, whose=named_in(session, "subject"),
        hidden=frozenset({"id_hash", "sealed_id_token", "provider_session"}),
    ),
    Holding(section="roles", table=role_assignment, whose=named_in(role_assignment, "subject")),
    Holding(
        section="directory_groups", table=directory_member, whose=grouped, fate="kept",
        why=_PROVISIONED,
    ),
    Holding(
        section="directory", table=directory_user, whose=in_directory, fate="kept",
        why=_PROVISIONED, hidden=frozenset({"name_key", "external_key"}),
    ),
    Holding(
        section="put_out", table=directory_end, whose=named_in(directory_end, "subject"),
        fate="kept", why="Since when nothing that vouched for this person is believed any more.",
    ),
    Holding(section="limits", table=budget, whose=own_limits),
    Holding(
        section="configured_limits", table=budget, whose=configured_limits, fate="kept",
        why="Named in the configuration file; take it out there.",
    ),
    Holding(
        section="limits_abroad", table=budget_abroad, whose=limits(budget_abroad), fate="kept",
        why="What another region told of its limits; gone when that region is asked to erase.",
    ),
    *(
        Holding(
            section=f"{table.name}", table=table, whose=limits(table), fate="kept", why=_TODAY,
            hidden=frozenset({"lease"}),
        )
        for table in (budget_spend, budget_lease, budget_loan)
    ),
    Holding(section="customer", table=customer, whose=named_in(customer, "user_id")),
    Holding(section="password_resets", table=password_reset, whose=named_in(password_reset, "user_id")),
    Holding(section="incidents", table=incident, whose=named_in(incident, "user_id")),
    Holding(
        section="refunds", table=refund, whose=named_in(refund, "user_id"), fate="anonymised",
        blanked={"user_id": PSEUDONYM, "reason": ""}, why=_ACCOUNTS,
    ),
    Holding(
        section="plan_changes", table=plan_change, whose=named_in(plan_change, "user_id"),
        fate="anonymised", blanked={"user_id": PSEUDONYM}, why=_ACCOUNTS,
    ),
    Holding(
        section="invoices", table=invoice, whose=named_in(invoice, "user_id"), fate="anonymised",
        blanked={"user_id": PSEUDONYM}, why=_ACCOUNTS,
    ),
    Holding(
        section="orders", table=customer_order, whose=named_in(customer_order, "user_id"),
        fate="anonymised", blanked={"user_id": PSEUDONYM}, why=_ACCOUNTS,
    ),
)  # fmt: skip

NAMINGS: tuple[Naming, ...] = (
    Naming(tool_call, "principal"),
    Naming(tool_approval, "principal"),
    Naming(tool_approval, "person"),
    Naming(tool_approval, "decided_by"),
    Naming(tool_approval, "first_by"),
    Naming(runbook_run, "started_by"),
    Naming(runbook_step, "recorded_by"),
    Naming(memory_fact, "stated_by"),
    Naming(mcp_server, "changed_by"),
    Naming(mcp_tool_pin, "approved_by"),
    Naming(legal_hold, "placed_by"),
    Naming(platform_settings, "author"),
    Naming(role_assignment, "author"),
)
"""Who did something, in rows that are about somebody else or about nobody."""

NAMED_WHY: Final = "What was done for others; who did it is replaced by a pseudonym."

NOBODYS: Mapping[str, str] = MappingProxyType(
    {
        "audit_event": "By law; people are in it under pseudonyms or their provider's ids.",
        "audit_position": "How far chains were read.",
        "budget_home": "Regions and a digest.",
        "checkpoint": "Figures of the service.",
        "data_key": "Keys of a tenant, wrapped.",
        "directory": "A number.",
        "directory_group": "Names of groups.",
        "duty": "Processes.",
        "erasure": "That somebody was erased, under a pseudonym once it is settled.",
        "finished_sign_on": "Hashes of random states; ten minutes.",
        "kb_document": "What the company wrote for everybody.",
        "kb_edge": "Of the company's documents.",
        "kb_entity": "Of the company's documents.",
        "kb_file": "Of the company's documents.",
        "kb_passage": "Of the company's documents.",
        "kb_version": "A number.",
        "legal_hold": "Names those who may not be erased: an erasure never meets a row of it.",
        "logout_mark": "Hashes of whom a provider signed off; minutes.",
        "logout_token": "A provider's token ids, for as long as they could be shown again.",
        "mcp_tool_seen": "What servers say of their tools.",
        "password_try": "Under a keyed hash of who tried; minutes.",
        "reporter": "Processes.",
        "reseal_progress": "How far a walk has come.",
        "runbook": "The company's.",
        "saving_target": "Figures; they hang on `saving`.",
        "settings_taken": "Processes.",
        "world": "Figures of the service.",
    }
)
"""Tables that hold nothing an erasure could take out, and why."""
