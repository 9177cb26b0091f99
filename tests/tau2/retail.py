"""The retail domain's tools on our registry: orders are cancelled, changed, exchanged and returned.

Written from the domain's policy and the tools' descriptions.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import ConfigDict
from sqlalchemy import Connection

from deployments.mcp_gateway.business.declaration import (
    Arguments,
    BusinessTool,
    Call,
    Result,
    ToolRegistry,
)
from routing.errors import AccessError, RequestError
from tests.tau2.records import Record, every, keep, one
from tests.tau2.sums import CALCULATE, TRANSFER, Answer


class Found(Result):
    """A record, as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    record: dict[str, Any]


class OrderId(Arguments):
    order_id: str


class UserId(Arguments):
    user_id: str


class ProductId(Arguments):
    product_id: str


class ItemId(Arguments):
    item_id: str


class Email(Arguments):
    email: str


class NameAndZip(Arguments):
    first_name: str
    last_name: str
    zip: str


class Nothing(Arguments):
    pass


class Cancel(OrderId):
    # The reasons are checked by the tool, as its description says, and not by its schema.
    reason: str


class Address(Arguments):
    address1: str
    address2: str
    city: str
    state: str
    country: str
    zip: str


class OrderAddress(Address):
    order_id: str


class UserAddress(Address):
    user_id: str


class Payment(OrderId):
    payment_method_id: str


class Return(Payment):
    item_ids: list[str]


class Exchange(Return):
    new_item_ids: list[str]


def _refused(why: str) -> RequestError:
    return RequestError("not_allowed", why)


def _cents(amount: float) -> float:
    return round(amount, 2)


def _method(connection: Connection, order: Record, name: str) -> tuple[Record, Record]:
    """The order's user, and one of their ways to pay."""
    user = one(connection, "users", order["user_id"])
    if name not in user["payment_methods"]:
        raise _refused(f"The customer has no payment method {name}.")
    return user, user["payment_methods"][name]


def _order(connection: Connection, name: str, status: str) -> Record:
    order = one(connection, "orders", name)
    if order["status"] != status:
        raise _refused(f"Order {name} is {order['status']}, not {status}.")
    return order


def _get(kind: str, field: str) -> Any:
    def get(connection: Connection, call: Call, asked: Arguments) -> Found:
        return Found(record=one(connection, kind, getattr(asked, field)))

    return get


def _item(connection: Connection, call: Call, asked: ItemId) -> Found:
    for product in every(connection, "products"):
        if asked.item_id in product["variants"]:
            return Found(record=product["variants"][asked.item_id])
    raise AccessError("not_found", f"There is no item {asked.item_id}.")


def _by_email(connection: Connection, call: Call, asked: Email) -> Answer:
    for user in every(connection, "users"):
        if user["email"].lower() == asked.email.lower():
            return Answer(text=user["user_id"])
    raise AccessError("not_found", "There is no such customer.")


def _by_name(connection: Connection, call: Call, asked: NameAndZip) -> Answer:
    wanted = (asked.first_name.lower(), asked.last_name.lower(), asked.zip)
    for user in every(connection, "users"):
        name = user["name"]
        known = (name["first_name"].lower(), name["last_name"].lower(), user["address"]["zip"])
        if known == wanted:
            return Answer(text=user["user_id"])
    raise AccessError("not_found", "There is no such customer.")


def _types(connection: Connection, call: Call, asked: Nothing) -> Found:
    names = {product["name"]: product["product_id"] for product in every(connection, "products")}
    return Found(record=dict(sorted(names.items())))


def _cancel(connection: Connection, call: Call, asked: Cancel) -> Found:
    order = _order(connection, asked.order_id, "pending")
    if asked.reason not in {"no longer needed", "ordered by mistake"}:
        raise _refused("An order is cancelled when it is no longer needed or was a mistake.")
    user = one(connection, "users", order["user_id"])
    back = []
    for paid in order["payment_history"]:
        method, amount = paid["payment_method_id"], paid["amount"]
        back.append({"transaction_type": "refund", "amount": amount, "payment_method_id": method})
        if "gift_card" in method:
            card = user["payment_methods"][method]
            card["balance"] = _cents(card["balance"] + amount)
    order |= {
        "status": "cancelled",
        "cancel_reason": asked.reason,
        "payment_history": [*order["payment_history"], *back],
    }
    keep(connection, "users", user["user_id"], user)
    keep(connection, "orders", asked.order_id, order)
    return Found(record=order)


def _swapped(
    connection: Connection, order: Record, olds: Sequence[str], news: Sequence[str]
) -> tuple[float, list[tuple[Record, Record]]]:
    """What the new items cost more, and each old item with its variant to come."""
    if len(olds) != len(news):
        raise _refused("Each item needs one to take its place.")
    held = [item["item_id"] for item in order["items"]]
    if Counter(olds) - Counter(held):
        raise _refused("The order holds no such items.")
    difference, pairs = 0.0, []
    for old, new in zip(olds, news, strict=True):
        item = next(item for item in order["items"] if item["item_id"] == old)
        variants = one(connection, "products", item["product_id"])["variants"]
        if new not in variants or not variants[new]["available"]:
            raise _refused(f"Item {new} is not of this product, or not to be had.")
        difference += variants[new]["price"] - item["price"]
        pairs.append((item, variants[new]))
    return _cents(difference), pairs


def _must_afford(method: Record, amount: float) -> None:
    if method["source"] == "gift_card" and method["balance"] < amount:
        raise _refused("The gift card does not hold as much.")


def _exchange(connection: Connection, call: Call, asked: Exchange) -> Found:
    order = _order(connection, asked.order_id, "delivered")
    difference, _ = _swapped(connection, order, asked.item_ids, asked.new_item_ids)
    _, method = _method(connection, order, asked.payment_method_id)
    _must_afford(method, difference)
    order |= {
        "status": "exchange requested",
        "exchange_items": sorted(asked.item_ids),
        "exchange_new_items": sorted(asked.new_item_ids),
        "exchange_payment_method_id": asked.payment_method_id,
        "exchange_price_difference": difference,
    }
    keep(connection, "orders", asked.order_id, order)
    return Found(record=order)


def _modify_items(connection: Connection, call: Call, asked: Exchange) -> Found:
    order = _order(connection, asked.order_id, "pending")
    difference, pairs = _swapped(connection, order, asked.item_ids, asked.new_item_ids)
    user, method = _method(connection, order, asked.payment_method_id)
    _must_afford(method, difference)
    if difference:
        order["payment_history"].append(
            {
                "transaction_type": "payment" if difference > 0 else "refund",
                "amount": abs(difference),
                "payment_method_id": asked.payment_method_id,
            }
        )
    if method["source"] == "gift_card":
        method["balance"] = _cents(method["balance"] - difference)
    for item, variant in pairs:
        item |= {key: variant[key] for key in ("item_id", "price", "options")}
    order["status"] = "pending (item modified)"
    keep(connection, "users", user["user_id"], user)
    keep(connection, "orders", asked.order_id, order)
    return Found(record=order)


def _modify_payment(connection: Connection, call: Call, asked: Payment) -> Found:
    order = _order(connection, asked.order_id, "pending")
    user, method = _method(connection, order, asked.payment_method_id)
    history = order["payment_history"]
    if len(history) != 1 or history[0]["transaction_type"] != "payment":
        raise _refused("The order was paid in more than one way.")
    first = history[0]["payment_method_id"]
    if first == asked.payment_method_id:
        raise _refused("It is paid that way already.")
    amount = history[0]["amount"]
    _must_afford(method, amount)
    history += [
        {
            "transaction_type": "payment",
            "amount": amount,
            "payment_method_id": asked.payment_method_id,
        },
        {"transaction_type": "refund", "amount": amount, "payment_method_id": first},
    ]
    if method["source"] == "gift_card":
        method["balance"] = _cents(method["balance"] - amount)
    before = user["payment_methods"][first]
    if before["source"] == "gift_card":
        before["balance"] = _cents(before["balance"] + amount)
    keep(connection, "users", user["user_id"], user)
    keep(connection, "orders", asked.order_id, order)
    return Found(record=order)


def _address(asked: Address) -> Record:
    return {name: getattr(asked, name) for name in Address.model_fields}


def _order_address(connection: Connection, call: Call, asked: OrderAddress) -> Found:
    order = one(connection, "orders", asked.order_id)
    if "pending" not in order["status"]:
        raise _refused(f"Order {asked.order_id} is {order['status']}.")
    order["address"] = _address(asked)
    keep(connection, "orders", asked.order_id, order)
    return Found(record=order)


def _user_address(connection: Connection, call: Call, asked: UserAddress) -> Found:
    user = one(connection, "users", asked.user_id)
    user["address"] = _address(asked)
    keep(connection, "users", asked.user_id, user)
    return Found(record=user)


def _return(connection: Connection, call: Call, asked: Return) -> Found:
    order = _order(connection, asked.order_id, "delivered")
    _, method = _method(connection, order, asked.payment_method_id)
    paid_by = order["payment_history"][0]["payment_method_id"]
    if method["source"] != "gift_card" and asked.payment_method_id != paid_by:
        raise _refused("A refund goes to whatever paid, or to a gift card.")
    if Counter(asked.item_ids) - Counter(item["item_id"] for item in order["items"]):
        raise _refused("The order holds no such items.")
    order |= {
        "status": "return requested",
        "return_items": sorted(asked.item_ids),
        "return_payment_method_id": asked.payment_method_id,
    }
    keep(connection, "orders", asked.order_id, order)
    return Found(record=order)


def _tool(
    name: str, arguments: type[Arguments], work: Any, result: type[Result] = Found,
    side_effect: Literal["read", "write", "money"] = "read",
) -> BusinessTool:  # fmt: skip
    title = name.replace("_", " ")
    return BusinessTool(name, title, title, arguments, result, side_effect, "mcp:tools", work=work)


RETAIL = ToolRegistry(
    (
        CALCULATE,
        TRANSFER,
        _tool("find_user_id_by_email", Email, _by_email, Answer),
        _tool("find_user_id_by_name_zip", NameAndZip, _by_name, Answer),
        _tool("get_order_details", OrderId, _get("orders", "order_id")),
        _tool("get_user_details", UserId, _get("users", "user_id")),
        _tool("get_product_details", ProductId, _get("products", "product_id")),
        _tool("get_item_details", ItemId, _item),
        _tool("list_all_product_types", Nothing, _types),
        _tool("cancel_pending_order", Cancel, _cancel, side_effect="money"),
        _tool("exchange_delivered_order_items", Exchange, _exchange, side_effect="money"),
        _tool("modify_pending_order_items", Exchange, _modify_items, side_effect="money"),
        _tool("modify_pending_order_payment", Payment, _modify_payment, side_effect="money"),
        _tool("modify_pending_order_address", OrderAddress, _order_address, side_effect="write"),
        _tool("modify_user_address", UserAddress, _user_address, side_effect="write"),
        _tool("return_delivered_order_items", Return, _return, side_effect="money"),
    )
)
