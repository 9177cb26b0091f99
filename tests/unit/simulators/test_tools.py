"""Natural tool use: called when asked for, with what the message says, and not by coincidence."""

import pytest

from deployments.simulators.tools import SimTool, choose_tool, force_tool


def lookup(name: str, description: str, **fields: dict[str, object]) -> SimTool:
    parameters = {"type": "object", "properties": fields, "required": list(fields)}
    return SimTool(name, description, parameters)


INVOICE = lookup("get_invoice", "Look up an invoice by its id.", invoice_id={"type": "string"})
CUSTOMER = lookup("find_customer", "Find a customer's record.", user_id={"type": "string"})
TICKET = lookup(
    "create_ticket",
    "Open a support ticket for a problem.",
    subject={"type": "string"},
    priority={"enum": ["normal", "high"]},
)


@pytest.mark.parametrize(
    ("question", "call"),
    [
        (
            "Can you look up invoice INV-2026-0007?",
            ("get_invoice", {"invoice_id": "INV-2026-0007"}),
        ),
        ("Find the customer user_123 please", ("find_customer", {"user_id": "user_123"})),
        (
            "Open a ticket with high priority",
            (
                "create_ticket",
                {"subject": "Open a ticket with high priority", "priority": "high"},
            ),
        ),
    ],
)
def test_a_tool_is_called_with_what_the_message_says(
    question: str, call: tuple[str, object]
) -> None:
    """The agent's tool loop can be seen working without any script."""
    assert choose_tool(question, [INVOICE, CUSTOMER, TICKET]) == call


@pytest.mark.parametrize(
    "question",
    ["What is an invoice?", "How do refunds work?", "Please look up my invoice"],
    ids=["one shared word", "no shared word", "the id is nowhere in the message"],
)
def test_no_tool_is_called_on_a_hunch(question: str) -> None:
    """A tool with side effects must not run because of one common word."""
    assert choose_tool(question, [INVOICE, CUSTOMER, TICKET]) is None


def test_an_identifier_goes_to_the_parameter_it_is_named_after() -> None:
    """Two ids in one message must not change places."""
    pair = lookup(
        "assign_invoice",
        "Assign an invoice to a user.",
        user_id={"type": "string"},
        invoice_id={"type": "string"},
    )
    assert choose_tool("Assign invoice INV-7 to user_9", [pair]) == (
        "assign_invoice",
        {"user_id": "user_9", "invoice_id": "INV-7"},
    )


def test_a_pattern_picks_its_match_and_a_number_its_number() -> None:
    """Arguments obey the schema the caller declared."""
    refund = lookup(
        "refund_order",
        "Refund an order.",
        order={"type": "string", "pattern": "^ORD-[0-9]+$"},
        amount={"type": "integer"},
    )
    assert choose_tool("Refund 20 euros of order ORD-77", [refund]) == (
        "refund_order",
        {"order": "ORD-77", "amount": 20},
    )


def test_a_caller_who_insists_gets_a_call_even_without_the_id() -> None:
    """`tool_choice: required` leaves the model no way out."""
    name, arguments = force_tool("Good morning", [INVOICE])
    assert name == "get_invoice"
    assert set(arguments) == {"invoice_id"}
