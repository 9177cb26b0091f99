"""The columns whose texts are sealed. Rows are named by their key after the tenant, in its order.

Which columns are not, and why, is in docs/encryption.md.
"""

from actors.sealing.envelope import Place

TURN_TEXT = Place("turn", "text")
CONVERSATION_SUMMARY = Place("conversation", "summary")
THREAD_METADATA = Place("thread", "metadata")
ITEM_BODY = Place("thread_item", "body")
ITEM_STATE = Place("thread_item", "state")
FACT_VALUE = Place("memory_fact", "value")
FACT_QUOTE = Place("memory_fact", "quote")
STEP_NOTE = Place("runbook_step", "note")
TOOL_TURN_CALLS = Place("tool_turn", "calls")
CALL_OUTCOME = Place("tool_call", "outcome")
APPROVAL_ARGUMENTS = Place("tool_approval", "arguments")
APPROVAL_REASON = Place("tool_approval", "reason")
APPROVAL_SUMMARY = Place("tool_approval", "summary")
APPROVAL_OUTCOME = Place("tool_approval", "outcome")
KEPT_ANSWER = Place("idempotency", "answer")
USER_NAME = Place("directory_user", "user_name")
EXTERNAL_ID = Place("directory_user", "external_id")
USER_ATTRIBUTES = Place("directory_user", "attributes")

PLACES = (
    TURN_TEXT,
    CONVERSATION_SUMMARY,
    THREAD_METADATA,
    ITEM_BODY,
    ITEM_STATE,
    FACT_VALUE,
    FACT_QUOTE,
    STEP_NOTE,
    TOOL_TURN_CALLS,
    CALL_OUTCOME,
    APPROVAL_ARGUMENTS,
    APPROVAL_REASON,
    APPROVAL_SUMMARY,
    APPROVAL_OUTCOME,
    KEPT_ANSWER,
    USER_NAME,
    EXTERNAL_ID,
    USER_ATTRIBUTES,
)
"""All of them: what is walked when rows are sealed anew."""

WINDOW_ITEM = Place("window", "item", is_new=True)
"""A turn in the store of windows, which nobody walks: it lives an hour."""
