"""How a company declares a business tool: one value says all that is known of it."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from deployments.mcp_gateway.tool import SideEffect, Trust
from routing.errors import SupportMaxError
from routing.message import JsonObject

TIMEOUT_MAX_S = 120.0
"""A caller waits no longer for a whole answer."""

# With `tools__` in front at most 64 characters, which is what the platforms take.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,55}")
# Bound by the server from who calls; a model must never choose them.
_RESERVED = frozenset({"tenant", "tenant_id", "principal", "customer", "customer_id"})
_TOOLS_MAX = 200


class RegistryError(SupportMaxError):
    """A registry declares what cannot be meant; the text lists all of it."""

    code = "registry_error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Arguments(BaseModel):
    """What every tool's arguments are: exactly what is declared, of exactly that type."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )


class CustomerArguments(Arguments):
    """The arguments of a tool that concerns one customer.

    `user_id` only says who is meant where the conversation is not bound to anybody; where it is,
    another one is refused. The tool is told the customer in its `Call` and never looks here.
    """

    user_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="whose account; leave it out where the conversation is with one customer",
    )


class Result(BaseModel):
    """What every tool's result is."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool: for whom, under which id, at what time.

    `id` is unique and is the same when the same call is made again, so that another system can
    tell. `now` is in seconds since the epoch. `customer` is empty for a tool of no customer.
    """

    id: str
    tenant: str
    principal: str
    customer: str
    now: float


InTransaction: TypeAlias = Callable[[Connection, Call, Any], BaseModel]
"""Does its work inside the transaction that keeps the outcome, on the connection alone: it may
be run again from the start when another's transaction fails."""

OverNetwork: TypeAlias = Callable[[Call, Any], Awaitable[BaseModel]]
"""Asks another system. It hands `Call.id` on as the idempotency key, if that system takes one."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How much money one role may move with a tool alone; above it a human has to approve.

    `name` stands in the policy file under `limits`, in USD by role. `reached_cents` says what
    would be reached by this call, counting whatever the limit is about (a customer's month), in
    the transaction of the call. It raises what the tool itself would raise.
    """

    name: str
    reached_cents: Callable[[Connection, Call, Any], int]


@dataclass(frozen=True)
class BusinessTool:
    """One tool.

    Exactly one of `work` and `ask` does it: `work` in this database, `ask` in another system. A
    tool that asks and whose system does nothing twice under one key is `repeatable`: a call that
    was cut off is then made again, and is otherwise left to a human, since nobody knows. Where what
    it gives may hold words of others (tickets, mails), `trust` is "untrusted".
    """

    name: str
    title: str
    description: str
    arguments: type[BaseModel]
    result: type[BaseModel]
    side_effect: SideEffect
    permission: str
    work: InTransaction | None = None
    ask: OverNetwork | None = None
    repeatable: bool = False
    timeout_s: float = 5.0
    limit: Limit | None = None
    trust: Trust = "own"

    @property
    def concerns_customer(self) -> bool:
        """Whether it is about one customer, whom the caller is bound to or names."""
        return issubclass(self.arguments, CustomerArguments)

    @cached_property
    def input_schema(self) -> JsonObject:
        """JSON Schema of the arguments."""
        return _schema(self.arguments, "validation")

    @cached_property
    def output_schema(self) -> JsonObject:
        """JSON Schema of the result."""
        return _schema(self.result, "serialization")


@dataclass(frozen=True)
class ToolRegistry:
    """The business tools of a company, in the order in which they are offered.

    Raises:
        RegistryError: A declaration cannot be meant; every mistake is named at once.
    """

    tools: Sequence[BusinessTool]
    by_name: dict[str, BusinessTool] = field(init=False)

    def __post_init__(self) -> None:
        mistakes = [said for tool in self.tools for said in _mistakes(tool)]
        counted = Counter(tool.name for tool in self.tools)
        mistakes += [f"{name}: is declared twice" for name, count in counted.items() if count > 1]
        if len(self.tools) > _TOOLS_MAX:
            mistakes.append(f"there are {len(self.tools)} tools; {_TOOLS_MAX} at most")
        if mistakes:
            raise RegistryError("; ".join(mistakes))
        object.__setattr__(self, "by_name", {tool.name: tool for tool in self.tools})


def _mistakes(tool: BusinessTool) -> Iterator[str]:
    name = tool.name
    if not _NAME.fullmatch(name) or "__" in name:
        yield f"{name!r}: a name is lower-case letters, digits and single _, 56 at most"
    if not tool.title.strip() or not tool.description.strip():
        yield f"{name}: needs a title and a description, which is all a model knows of it"
    if not tool.permission:
        yield f"{name}: needs a permission; nothing is granted by default"
    if (tool.work is None) is (tool.ask is None):
        yield f"{name}: exactly one of work and ask does it"
    if tool.repeatable and tool.ask is None:
        yield f"{name}: repeatable is about tools that ask another system"
    if not 0 < tool.timeout_s <= TIMEOUT_MAX_S:
        yield f"{name}: timeout_s is more than 0 and at most {TIMEOUT_MAX_S:g}"
    if tool.limit is not None and (tool.side_effect != "money" or tool.work is None):
        yield f"{name}: a limit is about money that moves in this database"
    yield from _mistaken_arguments(tool)


def _mistaken_arguments(tool: BusinessTool) -> Iterator[str]:
    name = tool.name
    if not issubclass(tool.arguments, Arguments):
        yield f"{name}: its arguments are a subclass of Arguments"
        return
    reserved = _RESERVED & tool.arguments.model_fields.keys()
    if reserved:
        yield f"{name}: {', '.join(sorted(reserved))} is bound by the server, not an argument"
    if tool.arguments.model_config.get("extra") != "forbid":
        yield f"{name}: its arguments forbid what is not declared"
    try:
        tool.input_schema, tool.output_schema  # noqa: B018  made now rather than at the first call
    except Exception as error:  # noqa: BLE001  pydantic has many ways to say that it cannot
        yield f"{name}: has no JSON schema: {error}"


def _schema(model: type[BaseModel], mode: Any) -> JsonObject:
    """The model's schema without pydantic's titles and our docstring: noise to a model that reads it."""
    schema: dict[str, Any] = _untitled(model.model_json_schema(mode=mode))
    schema.pop("description", None)
    return schema


def _untitled(node: Any, *, named: bool = False) -> Any:
    """`named` are the children of `properties` and `$defs`: a property may be called title."""
    match node:
        case dict():
            return {
                key: _untitled(value, named=key in {"properties", "$defs"} and not named)
                for key, value in node.items()
                if named or key != "title"
            }
        case list():
            return [_untitled(item) for item in node]
        case _:
            return node
