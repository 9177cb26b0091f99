"""What a SCIM client asks to see: a filter, a page of it, and which attributes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from scim2_models import Resource, ResponseParameters, ScimFilter
from scim2_models.path import (
    AttrPath,
    Comparison,
    FilterVisitor,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)
from typing_extensions import override

from actors.database.directory_rows import Compared, Condition, Every, Never, Some
from deployments.scim.errors import ScimError, explained, invalid
from deployments.scim.models import Group, User

PAGE = 100
"""Resources of a page whose client does not say how many, and of the largest one."""
# A name, an id and two conditions beside them are 300 characters.
FILTER_MAX = 1024
COMPARISONS_MAX = 32
ATTRIBUTES_MAX = 1024
# Beyond it a client that pages is lost; the database would still count that far.
_START_MAX = 10_000_000
_PARAMETERS = (
    "filter", "startIndex", "count", "sortBy", "attributes", "excludedAttributes"
)  # fmt: skip
_TIMES = frozenset({"meta.created", "meta.lastModified"})
_TRUTH: Mapping[str, bool] = {"true": True, "false": False}

R = TypeVar("R", bound=Resource[Any])


@dataclass(frozen=True, slots=True)
class Asked(Generic[R]):
    """A search: which rows, from which number on (from 1), how many, and what is shown of each."""

    condition: Condition | None
    start: int
    count: int
    shown: ResponseParameters[Any]


def asked_of(model: type[R], query: Mapping[str, str]) -> Asked[R]:
    """The search in a request's query.

    Raises:
        ScimError: it cannot be read, or asks for an order.
    """
    if "sortBy" in query:
        # An order left out would be another one than the client believes it has.
        raise ScimError(
            400, "invalidPath", "Nothing is sorted here: ServiceProviderConfig says so."
        )
    text = query.get("filter")
    start = min(max(_whole(query, "startIndex", 1), 1), _START_MAX)
    count = min(max(_whole(query, "count", PAGE), 0), PAGE)
    return Asked(
        None if text is None else condition_of(model, text), start, count, shown_of(model, query)
    )


def query_in(body: Mapping[str, Any]) -> Mapping[str, str]:
    """A search that came as a body (RFC 7644, 3.4.3), as it would stand in a query.

    Raises:
        ScimError: it is not one.
    """
    names = {name.lower(): name for name in _PARAMETERS}
    found: dict[str, str] = {}
    for said, value in body.items():
        name = names.get(said.lower())
        if name is None or value is None:
            continue
        every = value if isinstance(value, list) else [value]
        if not all(isinstance(each, str | int) for each in every):
            raise invalid(f"{name} is a text, a number, or a list of texts.")
        found[name] = ",".join(map(str, every))
    return found


def shown_of(model: type[R], query: Mapping[str, str]) -> ResponseParameters[Any]:
    """Which attributes a client asks for, or leaves out.

    Raises:
        ScimError: that cannot be read.
    """
    said = {name: query[name] for name in ("attributes", "excludedAttributes") if name in query}
    if sum(map(len, said.values())) > ATTRIBUTES_MAX:
        raise invalid(f"Attributes are named in {ATTRIBUTES_MAX} characters at most.")
    with explained():
        return ResponseParameters[model].model_validate(said)  # type: ignore[valid-type]


def condition_of(model: type[R], text: str) -> Condition:
    """A filter as a condition.

    Raises:
        ScimError: it is none, is too large, or asks for what nobody is sought by here.
    """
    if len(text) > FILTER_MAX:
        raise _refused(f"A filter has {FILTER_MAX} characters at most.")
    with explained():
        found = ScimFilter[model](text)  # type: ignore[valid-type]
        translation = _Translation(found, model)
        condition = translation.visit(found.ast)
    if translation.comparisons > COMPARISONS_MAX:
        raise _refused(f"A filter compares {COMPARISONS_MAX} times at most.")
    return condition


class _Translation(FilterVisitor[Condition]):
    """From the library's tree to the directory's words."""

    def __init__(self, found: ScimFilter[Any], model: type[Resource[Any]]) -> None:
        self._filter = found
        self._sought_by = _SOUGHT_BY[model]
        self.comparisons = 0

    @override
    def visit_comparison(self, node: Comparison) -> Condition:
        self.comparisons += 1
        binding = self._filter.resolve_comparison(node.attr_path)
        name = "" if binding is None else binding.urn.rpartition(":")[2]
        return Compared(
            self._known(name),
            node.op.value,
            None if node.value is None else _value(name, node.value),
        )

    @override
    def visit_present(self, node: Present) -> Condition:
        self.comparisons += 1
        return Compared(self._named(node.attr_path), "ne", None)

    @override
    def visit_not(self, node: Not) -> Condition:
        return Never(self.visit(node.expr))

    @override
    def visit_logical_expr(self, node: LogicalExpr) -> Condition:
        terms = tuple(self.visit(term) for term in node.terms)
        return Every(terms) if node.op is LogicalOperator.and_ else Some(terms)

    @override
    def visit_value_path(self, node: ValuePath) -> Condition:
        match node.val_filter:
            case Comparison(attr_path=AttrPath(attr=attr, sub_attr=None)) as inner if (
                attr.lower() == "value" and self._named(node.attr_path) == "members"
            ):
                self.comparisons += 1
                return Compared("members", inner.op.value, _value("members", inner.value))
            case _:
                raise _refused("In brackets, members[value eq …] is sought by, and nothing else.")

    def _named(self, path: AttrPath) -> str:
        binding = self._filter.resolve(path)
        return self._known("" if binding is None else binding.urn.rpartition(":")[2])

    def _known(self, name: str) -> str:
        known = self._sought_by.get(name)
        if known is None:
            there = ", ".join(self._sought_by)
            raise _refused(f"Nobody is sought by that here; by these: {there}.")
        return known


# Of an attribute as the library names it, what the directory calls it.
_COMMON = {name: name for name in ("id", "externalId", "meta.created", "meta.lastModified")}
_SOUGHT_BY: Mapping[type[Resource[Any]], Mapping[str, str]] = {
    User: {"userName": "userName", "active": "active", **_COMMON},
    Group: {
        "displayName": "displayName", "members": "members", "members.value": "members", **_COMMON
    },
}  # fmt: skip


def _value(name: str, said: object) -> str | bool | float:
    """A value of a filter as the directory compares it."""
    if name in _TIMES and isinstance(said, str | datetime):
        try:
            when = said if isinstance(said, datetime) else datetime.fromisoformat(said)
            return when.timestamp()
        except (ValueError, OverflowError) as error:
            raise _refused("That is no time.") from error
    if name == "active" and isinstance(said, str) and said.lower() in _TRUTH:
        return _TRUTH[said.lower()]  # Entra ID writes "True" for true
    # Nobody's name holds what does not print, and no database takes all of it.
    if isinstance(said, bool) or (isinstance(said, str) and said.isprintable()):
        return said
    raise _refused("The value is not one of the attribute's.")


def _refused(detail: str) -> ScimError:
    return ScimError(400, "invalidFilter", detail)


def _whole(query: Mapping[str, str], name: str, otherwise: int) -> int:
    text = query.get(name)
    if text is None:
        return otherwise
    # Longer ones are no counts, and int() takes its time with them.
    if (
        len(text) > 12
        or not text.removeprefix("-").isascii()
        or not text.removeprefix("-").isdigit()
    ):
        raise invalid(f"{name} is a whole number.")
    return int(text)
