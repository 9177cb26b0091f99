"""Google's way of writing a conversation, and the one it is sent in."""

import pytest

from deployments.clients.google_wire import read_completion, to_messages, to_tools
from deployments.clients.problem import Problem

CALL = {"function_call": {"name": "find", "args": {"order": "A"}}}


def result(name: str = "find", **more: object) -> dict[str, object]:
    return {"function_response": {"name": name, "response": {"days": 3}, **more}}


def test_a_text_is_a_users_message() -> None:
    """The shortest form."""
    assert to_messages("Hi") == [{"role": "user", "content": "Hi"}]


def test_a_conversation_with_calls_keeps_who_said_what_and_which_result_is_whose() -> None:
    """Google's calls have no ids; two of one name are answered in their order."""
    messages = to_messages(
        [
            {"role": "user", "parts": [{"text": "Where "}, {"text": "is A?"}]},
            {"role": "model", "parts": [{"text": "Let me see."}, CALL, CALL]},
            {"role": "user", "parts": [result(), result(), {"text": "Well?"}]},
        ]
    )
    asked = {"name": "find", "arguments": '{"order":"A"}'}
    assert messages == [
        {"role": "user", "content": "Where is A?"},
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": asked},
                {"id": "call_2", "type": "function", "function": asked},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": '{"days":3}'},
        {"role": "tool", "tool_call_id": "call_2", "content": '{"days":3}'},
        {"role": "user", "content": "Well?"},
    ]


def test_ids_are_kept_where_google_gives_them_and_camel_case_is_read_too() -> None:
    """As its JSON has it."""
    messages = to_messages(
        [
            {"role": "model", "parts": [{"functionCall": {"id": "x", "name": "a"}}]},
            {"role": "model", "parts": [{"functionCall": {"id": "y", "name": "a"}}]},
            {"role": "function", "parts": [{"functionResponse": {"id": "y", "name": "a"}}]},
        ]
    )
    assert [one.get("tool_call_id") for one in messages] == [None, None, "y"]


@pytest.mark.parametrize(
    ("contents", "where"),
    [
        ([{"role": "system", "parts": []}], "/contents/0/role"),
        ([{"role": "user", "parts": [{"inline_data": {}}]}], "/contents/0/parts/0"),
        ([{"role": "user", "parts": "Hi"}], "/contents/0/parts"),
        ([{"role": "user", "parts": [CALL]}], "/contents/0"),
        ([{"role": "user", "parts": [result()]}], "/contents/0/parts/0"),
        ([{"role": "model", "parts": [CALL]}, {"parts": [result("other")]}], "/contents/1/parts/0"),
    ],
    ids=["role", "picture", "no list", "a user's call", "no call", "another's result"],
)
def test_what_cannot_be_sent_is_named_with_its_place(
    contents: list[dict[str, object]], where: str
) -> None:
    """Left out in silence, it would be answered as if it had not been said."""
    with pytest.raises(Problem) as caught:
        to_messages(contents)
    assert [violation.where for violation in caught.value.violations] == [where]


def test_declarations_in_googles_capitals_become_json_schema() -> None:
    """A platform that is no Google refuses the type STRING; a property called type stays."""
    declared = {
        "name": "find",
        "description": "Find.",
        "parameters": {
            "type": "OBJECT",
            "properties": {"type": {"type": "STRING"}, "days": {"anyOf": [{"type": "INTEGER"}]}},
        },
    }
    schema = {"name": "look", "parameters_json_schema": {"type": "object"}}
    found, look, bare = to_tools(
        [{"function_declarations": [declared, schema]}, {"functionDeclarations": [{"name": "go"}]}]
    )
    assert found["function"] == {
        "name": "find",
        "description": "Find.",
        "parameters": {
            "type": "object",
            "properties": {"type": {"type": "string"}, "days": {"anyOf": [{"type": "integer"}]}},
        },
    }
    assert look["function"] == {"name": "look", "description": "", "parameters": {"type": "object"}}
    assert bare["function"] == {
        "name": "go",
        "description": "",
        "parameters": {"type": "object", "properties": {}},
    }


def test_googles_own_tools_are_refused() -> None:
    """They run at Google, past everything that SupportMax promises."""
    with pytest.raises(Problem, match="Google's own"):
        to_tools([{"google_search": {}}])


def test_an_answer_goes_back_in_as_it_came_out() -> None:
    """`content` is the turn to append."""
    call = {"id": "c1", "function": {"name": "find", "arguments": '{"order": "A"}'}}
    content = read_completion(
        {
            "model": "gemini",
            "choices": [
                {"finish_reason": "tool_calls", "message": {"content": "So.", "tool_calls": [call]}}
            ],
            "usage": {
                "prompt_tokens": 5,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 1},
                "completion_tokens_details": {"reasoning_tokens": None},
            },
        }
    )
    assert (content.text, content.finish_reason, content.model) == ("So.", "tool_calls", "gemini")
    assert (content.usage.input_tokens, content.usage.cached_tokens) == (5, 1)
    answered = result(id="c1")
    messages = to_messages([content.content, {"role": "user", "parts": [answered]}])
    assert messages[1]["tool_call_id"] == "c1"


def test_what_is_no_completion_is_a_problem() -> None:
    """And says what is missing."""
    with pytest.raises(Problem, match="choices"):
        read_completion({"model": "m", "choices": [], "usage": {}})
