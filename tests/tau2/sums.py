"""Sums that a tool is asked to do: numbers, + - * / and brackets, and nothing else."""

import ast
import operator
from collections.abc import Callable

from deployments.mcp_gateway.business.declaration import (
    Arguments,
    BusinessTool,
    Call,
    Result,
)
from routing.errors import RequestError

_LENGTH_MAX = 200
_ACTS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class Expression(Arguments):
    """A sum."""

    expression: str


class Answer(Result):
    """Some text."""

    text: str


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.BinOp(left=left, op=act, right=right) if type(act) in _ACTS:
            return _ACTS[type(act)](_value(left), _value(right))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case _:
            raise RequestError("no_sum", "This is no sum.")


def _calculate(_: object, call: Call, asked: Expression) -> Answer:
    if len(asked.expression) > _LENGTH_MAX:
        raise RequestError("no_sum", "This is too long a sum.")
    try:
        value = _value(ast.parse(asked.expression, mode="eval").body)
    except (SyntaxError, ZeroDivisionError) as error:
        raise RequestError("no_sum", "This is no sum.") from error
    return Answer(text=str(round(value, 2)))


class Summary(Arguments):
    """What the human is told."""

    summary: str


def _transfer(_: object, call: Call, asked: Summary) -> Answer:
    return Answer(text="A human takes over.")


CALCULATE = BusinessTool(
    "calculate", "Calculate", "Do a sum.", Expression, Answer, "read", "mcp:tools", work=_calculate
)
TRANSFER = BusinessTool(
    "transfer_to_human_agents", "Hand over", "Hand the conversation to a human.",
    Summary, Answer, "write", "mcp:tools", work=_transfer,
)  # fmt: skip
