"""The tool loop: what a model asks for is done once, within limits, or not at all and said so."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from deployments.agent.exchange import Answer
from deployments.agent.hands import CALLS_MAX
from deployments.agent.tool_loop import TURNS_MAX
from routing.errors import ErrorKind, NoPlatformAvailable, RequestError
from routing.exchange import Usage
from routing.message import ToolResult
from tests.unit.acting.world import CUSTOMER, PAID, acting, asks, says
from tests.unit.agent.worlds import Scripted, fails
from tests.unit.gateway.tool_world import Shop, said, tool
from tests.unit.tools.desk import person

REFUND = ("tools__refund_invoice", {"invoice_id": PAID, "reason": "DUP", "amount_usd": 20})
INVOICES = ("tools__list_invoices", dict[str, Any]())
QUESTION = f"Please refund 20 dollars of {PAID}, I was charged twice."


def statuses(answer: Answer) -> list[tuple[str, str]]:
    return [(made.call.name, made.status) for made in answer.calls]


def results(platform: Scripted, turn: int) -> tuple[ToolResult, ...]:
    """What the model was told before its turn of that number."""
    return platform.asked[turn].messages[-1].tool_results


async def test_a_call_is_made_and_its_result_reaches_the_next_turn(tmp_path: Path) -> None:
    """For the customer of the request, in our own database, once; and the sum of both turns is the bill."""
    model = Scripted([asks(REFUND, text="One moment.")], [says("20 dollars are on their way.")])
    async with acting(tmp_path, {"openai": model}) as world:
        answer = await world.ask(QUESTION)
        assert await world.desk.refunded_cents(PAID) == 2_000
    assert answer.reply.text == "One moment.\n\n20 dollars are on their way."
    assert statuses(answer) == [("tools__refund_invoice", "done")]
    assert '"refunded_usd":20' in results(model, 1)[0].content
    assert answer.reply.usage == Usage(input_tokens=900, output_tokens=50)
    assert answer.cost_usd == Decimal("0.0002875")  # at 0.25 and 1.25 dollars a million
    assert [tried.outcome for tried in answer.attempts] == ["ok", "ok"]
    assert [outcome.attempt for outcome in world.board.outcomes] == [0, 1]


async def test_a_user_id_of_somebody_elses_tool_is_asked_for(tmp_path: Path) -> None:
    """Only our own tools know by themselves whom they are about."""
    schema: Mapping[str, Any] = {"type": "object", "properties": {"user_id": {"type": "string"}}, "required": ["user_id"]}  # fmt: skip
    shop = Shop(replace(tool("find"), input_schema=schema))
    model = Scripted([asks(("shop__find", {"user_id": CUSTOMER}))], [says("There it is.")])
    async with acting(tmp_path, {"openai": model}, servers=[shop]) as world:
        answer = await world.ask("Where is my parcel?")
    shown = {spec.name: spec.parameters for spec in model.asked[0].tools}
    assert shown["shop__find"] == schema
    assert statuses(answer) == [("shop__find", "done")]


async def test_a_model_is_not_asked_whom_it_is_about(tmp_path: Path) -> None:
    """Whose account it is stands in the request; a model that names another is refused."""
    other = ("tools__look_up_customer", {"user_id": "user_124"})
    model = Scripted([asks(other)], [says("I cannot see that.")])
    async with acting(tmp_path, {"openai": model}) as world:
        answer = await world.ask("Show me the account of user_124.")
    shown = {spec.name: spec.parameters for spec in model.asked[0].tools}
    assert all("user_id" not in str(schema) for schema in shown.values())
    assert statuses(answer) == [("tools__look_up_customer", "refused")]
    assert "Meridian" not in str(model.asked[1].messages)


async def test_without_a_customer_nothing_about_customers_is_offered(tmp_path: Path) -> None:
    """Staff may ask about anybody, so the model would be the one to choose."""
    model = Scripted([says("Hello.")])
    async with acting(tmp_path, {"openai": model}) as world:
        await world.ask("Hello", user_id=None)
    assert model.asked[0].tools == ()


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (("tools__no_such", {}), "Unknown tool: tools__no_such"),
        (("tools__refund_invoice", {"invoice_id": PAID, "reason": "BECAUSE"}), "/reason"),
        (("tools__refund_invoice", {"invoice_id": PAID}), "'reason' is a required property"),
        (("tools__list_invoices", {"limit": "all"}), "/limit"),
        (("tools__list_invoices", {"tenant": "acme"}), "tenant"),
    ],
)
async def test_what_no_schema_allows_is_told_to_the_model_and_not_made(
    tmp_path: Path, call: tuple[str, Mapping[str, Any]], why: str
) -> None:
    model = Scripted([asks(call)], [says("Sorry.")])
    async with acting(tmp_path, {"openai": model}) as world:
        before = await world.snapshot()
        answer = await world.ask(QUESTION)
        assert await world.snapshot() == before
    [result] = results(model, 1)
    assert result.is_error
    assert why in result.content
    assert answer.calls[0].status == "refused"


async def test_a_tool_without_its_permission_is_as_unknown_as_none(tmp_path: Path) -> None:
    """A customer's own key has no tools at all, and a script that calls one meets the same words."""
    model = Scripted([says("Hello.")])
    async with acting(tmp_path, {"openai": model}) as world:
        await world.ask(QUESTION, who=person("customer", CUSTOMER))
        with pytest.raises(RequestError, match="Unknown tool: tools__refund_invoice"):
            await world.ask(
                QUESTION, who=person("customer", CUSTOMER), tools=("tools__refund_invoice",)
            )
    assert model.asked[0].tools == ()


async def test_the_caller_chooses_among_the_tools(tmp_path: Path) -> None:
    model = Scripted([asks(REFUND)], [says("No.")], [says("Hello.")])
    async with acting(tmp_path, {"openai": model}) as world:
        answer = await world.ask(QUESTION, tools=("tools__list_invoices",))
        await world.ask(QUESTION, tools="none")
        assert await world.desk.refunded_cents(PAID) == 0
    assert [spec.name for spec in model.asked[0].tools] == ["tools__list_invoices"]
    assert statuses(answer) == [("tools__refund_invoice", "refused")]
    assert model.asked[2].tools == ()


async def test_the_same_call_for_ever_ends_and_is_made_once(tmp_path: Path) -> None:
    """The last turn has no tools to call; a model that calls all the same is ended."""
    model = Scripted(*[[asks(REFUND)] for _ in range(TURNS_MAX)])
    async with acting(tmp_path, {"openai": model}) as world:
        answer = await world.ask(QUESTION)
        assert await world.desk.refunded_cents(PAID) == 2_000
    assert answer.to_json()["finish_reason"] == "tool_limit"
    assert answer.reply.text.endswith("steps I may take.")
    assert len(model.asked) == TURNS_MAX
    assert model.asked[-1].tool_choice == "none"
    assert [made.status for made in answer.calls] == ["done"] + ["repeated"] * (TURNS_MAX - 2)


async def test_an_answer_makes_so_many_calls_and_no_more(tmp_path: Path) -> None:
    many = [("tools__list_invoices", {"limit": n}) for n in range(1, 21)]
    model = Scripted(
        *[[asks(*many[n : n + 5])] for n in range(0, 20, 5)], [says("There are some.")]
    )
    async with acting(tmp_path, {"openai": model}) as world:
        answer = await world.ask(QUESTION)
    made = [one for one in answer.calls if one.status == "done"]
    assert len(made) <= CALLS_MAX
    # Five at once are one too many.
    assert "at once at most" in results(model, 1)[4].content


async def test_two_calls_of_one_turn_that_only_read_run_together(tmp_path: Path) -> None:
    """The second is under way before the first has ended."""
    meeting = asyncio.Barrier(2)

    async def meet(_: object) -> Any:
        async with asyncio.timeout(5):
            await meeting.wait()
        return said("here")

    shop = Shop(tool("left"), tool("right"), does=meet)
    model = Scripted([asks(("shop__left", {}), ("shop__right", {}))], [says("Both.")])
    async with acting(tmp_path, {"openai": model}, servers=[shop]) as world:
        answer = await world.ask("Look at both.")
    assert [made.status for made in answer.calls] == ["done", "done"]
    assert [result.content for result in results(model, 1)] == ["here", "here"]


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_platform_that_fails_between_call_and_result_is_replaced(
    tmp_path: Path, is_stream: bool
) -> None:
    """The other one reads what was done and goes on; the refund is made once."""
    first = Scripted([asks(REFUND)], [fails(ErrorKind.CONNECTION)])
    second = Scripted([says("20 dollars are on their way.")])
    async with acting(tmp_path, {"openai": first, "anthropic": second}) as world:
        if is_stream:
            _, answer = await world.listen(QUESTION)
        else:
            answer = await world.ask(QUESTION)
        assert await world.desk.refunded_cents(PAID) == 2_000
    assert answer.platform == "anthropic"
    asked, told = second.asked[0].messages[-2:]
    assert asked.tool_calls[0].name == "tools__refund_invoice"
    assert told.tool_results[0].call_id == asked.tool_calls[0].id
    assert [(t.platform, t.outcome) for t in answer.attempts] == [
        ("openai", "ok"),
        ("openai", "connection"),
        ("anthropic", "ok"),
    ]


async def test_whoever_answered_goes_on_and_its_own_turn_comes_back_to_it(tmp_path: Path) -> None:
    """A platform that failed before the first call is not asked first again."""
    first = Scripted([fails(ErrorKind.CONNECTION)])
    second = Scripted([asks(INVOICES)], [says("Two.")])
    async with acting(tmp_path, {"openai": first, "anthropic": second}) as world:
        answer = await world.ask(QUESTION)
    assert len(first.asked) == 1
    assert answer.reply.text == "Two."


async def test_everybody_failing_after_a_change_is_told_and_not_an_error(tmp_path: Path) -> None:
    """Whoever is told "try again" would do it twice."""
    first = Scripted([asks(REFUND)], [fails(ErrorKind.CREDENTIALS)])
    async with acting(tmp_path, {"openai": first}) as world:
        answer = await world.ask(QUESTION)
    assert answer.to_json()["finish_reason"] == "platforms_failed"
    assert statuses(answer) == [("tools__refund_invoice", "done")]


async def test_everybody_failing_after_reading_alone_is_an_error(tmp_path: Path) -> None:
    first = Scripted([asks(INVOICES)], [fails(ErrorKind.CREDENTIALS)])
    async with acting(tmp_path, {"openai": first}) as world:
        with pytest.raises(NoPlatformAvailable):
            await world.ask(QUESTION)


async def test_a_loop_ends_where_the_money_does(tmp_path: Path) -> None:
    """Every turn is paid from what those before it left, and the answer says why it stops."""
    dear = Usage(input_tokens=4_000, output_tokens=800)
    model = Scripted([asks(INVOICES, text="I look.", usage=dear)], [says("Never said.")])
    async with acting(tmp_path, {"openai": model}) as world:
        answer = await world.ask(QUESTION, max_cost_usd=Decimal("0.0028"))
    assert answer.to_json()["finish_reason"] == "cost_limit"
    assert answer.reply.text.startswith("I look.\n\n")
    assert answer.cost_usd is not None
    assert answer.cost_usd <= Decimal("0.0028")
    assert len(model.asked) == 1


async def test_a_tool_that_hangs_does_not_outlive_the_answers_time(tmp_path: Path) -> None:
    """A change that was cut off is said to be unknown, and is not called done."""

    async def never(_: object) -> Any:
        await asyncio.Event().wait()

    shop = Shop(tool("pay", side_effect="write"), does=never)
    model = Scripted([asks(("shop__pay", {}))], [says("Never said.")])
    async with acting(tmp_path, {"openai": model}, servers=[shop], deadline_s=2.0) as world:
        answer = await world.ask("Pay it.")
    assert answer.to_json()["finish_reason"] == "time_limit"
    assert [made.status for made in answer.calls] == ["unknown"]


async def test_an_answer_without_tools_is_given_where_they_do_not_fit_the_limits(
    tmp_path: Path,
) -> None:
    """What the tools add to the prompt costs; nobody insisted on them, and the answer says so."""
    model = Scripted([says("Hello.")])
    async with acting(tmp_path, {"openai": model}) as world:
        answer = await world.ask("Hello", max_cost_usd=Decimal("0.0005"))
        with pytest.raises(RequestError):
            await world.ask(
                "Hello", max_cost_usd=Decimal("0.0005"), tools=("tools__refund_invoice",)
            )
    assert model.asked[0].tools == ()
    assert "tools" in answer.context.degraded


async def test_a_follow_up_knows_what_was_done(tmp_path: Path) -> None:
    """Calls and results stay in the conversation, for whoever answers next."""
    model = Scripted([asks(REFUND)], [says("Done.")], [says("20 dollars.")])
    async with acting(tmp_path, {"openai": model}) as world:
        first = await world.ask(QUESTION)
        await world.ask("How much was it?", conversation_id=first.conversation_id)
    *_, asked, told, now = model.asked[2].messages
    assert asked.tool_calls[0].arguments == REFUND[1]
    assert '"refunded_usd":20' in told.tool_results[0].content
    assert now.text == "How much was it?"


async def test_a_decision_with_tools_can_be_taken_again(tmp_path: Path) -> None:
    """The certificate is of the first turn's decision, whatever the loop did after it."""
    model = Scripted([asks(REFUND)], [says("Done.")])
    async with acting(tmp_path, {"openai": model}) as world:
        answer = await world.ask(QUESTION)
    names = {reason.code for c in answer.decision.candidates for reason in c.reasons}
    assert not names
    assert answer.decision.question.facts.tools
    assert len(answer.attempts) == 2
