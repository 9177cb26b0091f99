"""A seal writes tokens for values, the same ones in every turn, and opens what it made and nothing else."""

import re

import pytest

from deployments.privacy.find import Finder
from deployments.privacy.known import Fact, Known
from deployments.privacy.request import opened_reply, sealed_request
from deployments.privacy.restore import Restorer
from deployments.privacy.seal import Seal
from routing.exchange import ChatReply, ChatRequest, FinishReason, Handoff, ResponseSchema, Usage
from routing.message import JsonObject, Message, ToolCall, ToolResult, ToolSpec

FINDER = Finder()
RECORD = Known(
    [
        Fact("name", "Casey Sample"),
        Fact("account", "user_123"),
        Fact("address", "12 Test Street, Sampleton"),
    ]
)
EMAIL = "casey@example.com"


def seal(key: bytes = b"one", known: Known = RECORD) -> Seal:
    return Seal(key, FINDER, known)


def test_a_value_has_the_same_token_in_every_request_of_a_conversation() -> None:
    assert seal().text(EMAIL) == seal().text(EMAIL)


def test_a_value_has_another_token_in_another_conversation() -> None:
    assert seal(b"one").text(EMAIL) != seal(b"two").text(EMAIL)


def test_a_value_spelled_otherwise_begins_like_it_and_is_opened_as_it_was_spelled() -> None:
    made = seal()
    plain, loud = made.text(EMAIL), made.text("Casey@Example.com")
    assert loud.startswith(plain.removesuffix("]"))
    assert made.opened(f"{plain} {loud}") == f"{EMAIL} Casey@Example.com"


def test_two_values_whose_codes_are_equal_have_two_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = {"a": "ABCDEFGH", "b": "ABCDEFZZ"}
    made = seal(known=Known())
    monkeypatch.setattr(Seal, "_code", lambda _, kind, text: codes[text[0]])
    told = made.text("a@example.com and b@example.com")
    assert told == "[EMAIL-ABCDEF] and [EMAIL-ABCDEFZZ]"
    assert made.opened(told) == "a@example.com and b@example.com"


def test_a_customers_record_is_found_in_any_case_and_whole() -> None:
    made = seal()
    told = made.text(
        "CASEY  SAMPLE, Casey of user_123, 12 test street,\nsampleton; user_1234, sampled"
    )
    assert made.opened(told).endswith("user_1234, sampled")
    assert "user_1234, sampled" in told
    for value in ("CASEY", "Casey", "user_123,", "12 test"):
        assert value not in told


@pytest.mark.parametrize(
    ("name", "text", "left"),
    [
        ("王小明", "我叫王小明\uff0c我要退款", "我叫\uff0c我要退款"),
        ("李娜", "我是李娜。", "我是。"),
        ("山田 太郎", "山田太郎です", "です"),
        ("山田 太郎", "太郎です", "です"),
        ("Jürgen Müller", "Mu\u0308ller hier, Ju\u0308rgen Mu\u0308ller", " hier, "),
        ("Ju\u0308rgen Mu\u0308ller", "Müller hier", " hier"),
        ("Jürgen Müller", '{"name":"J\\u00fcrgen M\\u00FCller"}', '{"name":""}'),
        ("Jürgen Müller", "JU\u0308RGEN MÜLLER", ""),
        ("Anna-Lena Schmidt", "Frau Schmidt, Anna-Lena, Lena", "Frau , , "),
        ("Jane A. Doe", "Doe hier, Jane A.", " hier,  A."),
        ("Jane O'Brien", "O\u2019Brien, O'Brien", ", "),
    ],
)
def test_a_name_is_found_however_it_is_spelled_and_opens_as_it_was(
    name: str, text: str, left: str
) -> None:
    made = seal(known=Known([Fact("name", name)]))
    told = made.text(text)
    assert re.sub(r"\[NAME-[^]]*\]", "", told) == left
    assert made.opened(told) == text


def test_a_word_that_is_a_name_only_with_a_capital_is_left_without_one() -> None:
    told = seal(known=Known([Fact("name", "Will Sample")])).text("Will it work? It will.")
    assert told.endswith("It will.")
    assert not told.startswith("Will")


def test_what_a_customer_types_as_a_token_is_sealed_and_never_opened_as_another() -> None:
    victim = seal()
    token = victim.text(EMAIL)
    made = seal()
    told = made.text(f"What is {token}?")
    assert token not in told
    assert made.opened(told) == f"What is {token}?"


def test_a_token_that_nobody_made_stays_as_it_is() -> None:
    made = seal()
    made.text(EMAIL)
    assert made.opened("[EMAIL-ABCDEF] [CARD-ABCDEF]") == "[EMAIL-ABCDEF] [CARD-ABCDEF]"


@pytest.mark.parametrize("form", ["{}", "\\[{}\\]", "`{}`", "**{}**", "<{}>"])
def test_a_token_is_opened_as_models_write_it(form: str) -> None:
    made = seal()
    core = made.text(EMAIL)[1:-1]
    assert made.opened(form.format(core)) == form.replace("\\[", "").replace("\\]", "").format(
        EMAIL
    )


def test_a_kind_that_is_spared_is_left_where_it_is() -> None:
    told = seal().text(f"{EMAIL} 4111 1111 1111 1111", frozenset({"email"}))
    assert told.startswith(EMAIL)
    assert "4111" not in told


def test_a_value_in_a_json_answer_is_written_as_json() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END PRIVATE KEY-----"
    made = seal()
    token = made.text(key)
    restorer = Restorer(made, as_json=True)
    text = f'{{"key": "{token}"}}'
    assert restorer.feed(text[:14]) + restorer.feed(text[14:]) + restorer.end() == (
        '{"key": "' + key.replace("\n", "\\n") + '"}'
    )


def test_every_text_of_a_request_is_sealed() -> None:
    schema: JsonObject = {
        "type": "object",
        "properties": {"who": {"enum": [EMAIL], "pattern": r"\d{16}"}},
    }
    request = ChatRequest(
        model="m",
        system=f"Rules. The customer is {EMAIL}.",
        stable_system_chars=6,
        messages=(
            Message("user", EMAIL),
            Message(
                "assistant", "", (ToolCall("c", "t", {EMAIL: [EMAIL, {"n": 4111111111111111}]}),)
            ),
            Message("user", tool_results=(ToolResult("c", f'{{"a":"{EMAIL}"}}'),)),
        ),
        tools=(ToolSpec("t", f"Writes to {EMAIL}", schema),),
        response_schema=ResponseSchema("r", schema),
    )
    told = sealed_request(seal(), request)
    assert EMAIL not in repr(told)
    assert "4111111111111111" not in repr(told)
    assert told.stable_system_chars == 6
    assert r"\d{16}" in repr(told)


def test_every_text_of_a_reply_is_opened() -> None:
    made = seal()
    token = made.text(EMAIL)
    reply = ChatReply(
        token, FinishReason.STOP, Usage(), "m", (ToolCall("c", "t", {"a": [token]}),),
        handoff=Handoff(token, {"who": token}),
    )  # fmt: skip
    told = opened_reply(made, reply)
    assert told.text == EMAIL
    assert told.tool_calls[0].arguments == {"a": [EMAIL]}
    assert told.handoff == Handoff(EMAIL, {"who": EMAIL})


def test_a_search_is_for_what_is_left() -> None:
    assert seal().without(f"Where is the parcel of {EMAIL}?") == "Where is the parcel of  ?"
