"""Python functions as tools: what a model is told of them, and what it is told when they are called."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from deployments.clients.problem import Problem
from deployments.clients.tools import RESULT_MAX, Outcome, Tool, Toolbox


class Address(BaseModel):
    city: str


def ship(
    order: Annotated[str, Field(description="its number")],
    to: Address,
    speed: Literal["slow", "fast"] = "slow",
    *,
    on: date | None = None,
) -> dict[str, object]:
    """Ship an order.

    Args:
        order: its number.
    """
    return {"order": order, "city": to.city, "speed": speed, "on": on}


def test_a_schema_is_made_of_the_signature_and_the_docstring() -> None:
    """What a model needs to call it: types, limits, defaults, and what it is for."""
    tool = Tool(ship)
    assert tool.name == "ship"
    assert tool.description.startswith("Ship an order.")
    assert tool.parameters["required"] == ["order", "to"]
    properties = tool.parameters["properties"]
    assert isinstance(properties, dict)
    assert properties["order"]["description"] == "its number"
    assert properties["speed"] == {
        "default": "slow",
        "enum": ["slow", "fast"],
        "title": "Speed",
        "type": "string",
    }
    assert tool.parameters["additionalProperties"] is False


def test_arguments_become_what_the_annotations_say() -> None:
    """JSON has no dates and no classes; a function need not parse them."""
    given = {"order": "A", "to": {"city": "Köln"}, "on": "2026-11-22"}
    assert Tool(ship).call(given) == Outcome(
        '{"order":"A","city":"Köln","speed":"slow","on":"2026-11-22"}'
    )


def test_a_text_is_given_as_it_is_and_anything_else_as_json() -> None:
    """A quoted string would be read with its quotes."""

    def words() -> str:
        return "shipped"

    def price() -> Decimal:
        return Decimal("1.10")

    assert [Tool(one).call({}).text for one in (words, price)] == ["shipped", '"1.10"']


def test_wrong_arguments_are_told_without_repeating_them() -> None:
    """The model knows what it said; it need not stand in a log."""
    outcome = Tool(ship).call({"order": "A", "to": {"city": "secret-7"}, "speed": "secret-8"})
    assert outcome.is_error
    assert "speed" in outcome.text
    assert "secret" not in outcome.text


def test_what_a_tool_says_is_bounded() -> None:
    """It is paid for again in every round."""

    def everything() -> str:
        return "x" * (RESULT_MAX + 1)

    def trouble() -> str:
        raise ValueError("y" * RESULT_MAX)

    assert Tool(everything).call({}).text.endswith("(cut here: it is too long)")
    assert len(Tool(trouble).call({}).text) < 3_000


def test_a_result_that_is_no_json_is_an_error_for_the_model() -> None:
    """The conversation goes on; the author of the tool finds it in the answer."""

    def connection() -> object:
        return object()

    outcome = Tool(connection).call({})
    assert outcome.is_error
    assert "JSON" in outcome.text


def test_an_interrupt_is_not_the_models() -> None:
    """Ctrl-C in a tool ends the script."""

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Tool(stop).call({})


def takes_anything(*args: str, **more: str) -> None: ...


def takes_more(**more: str) -> None: ...


def takes_places(first: str, /) -> None: ...


def takes_a_callback(then: Callable[[], None]) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: 1, "needs a name"),
        (takes_anything, "needs a name"),
        (takes_more, "needs a name"),
        (takes_places, "needs a name"),
        (takes_a_callback, "no schema"),
    ],
    ids=["lambda", "args", "kwargs", "places", "callback"],
)
def test_what_no_model_could_call_is_refused_at_once(
    function: Callable[..., object], message: str
) -> None:
    """And not when the first customer asks."""
    with pytest.raises(Problem, match=message):
        Tool(function)


def test_two_tools_of_one_name_are_refused() -> None:
    """The model could not say which."""
    with pytest.raises(Problem, match="same name"):
        Toolbox([ship, ship])


async def test_methods_and_coroutines_are_tools_as_well() -> None:
    """A shop object's methods are the natural tools of a shop."""

    class Shop:
        def open(self, day: str) -> bool:
            """Whether it is open."""
            return day != "Sunday"

        async def close(self) -> str:
            return "closed"

    shop = Shop()
    box = Toolbox([shop.open, shop.close])
    assert [tool.name for tool in box.tools] == ["open", "close"]
    assert await box.acall("open", {"day": "Sunday"}) == Outcome("false")
    assert await box.acall("close", {}) == Outcome("closed")
    assert (await box.acall("burn", {})).is_error
