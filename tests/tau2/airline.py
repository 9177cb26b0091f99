"""The airline domain's tools on our registry: flights are searched, booked, changed and cancelled.

Written from the domain's policy and the tools' descriptions.
"""

from collections.abc import Iterator, Mapping, Sequence
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
from tests.tau2.records import Record, add, every, keep, one
from tests.tau2.sums import CALCULATE, TRANSFER, Answer

Cabin = Literal["business", "economy", "basic_economy"]
BAG_USD = 50
INSURANCE_USD = 30
NOW = "2024-05-15T15:00:00"
# The ids of what the domain makes, in the order in which it makes them.
_NEW_RESERVATIONS = ("HATHAT", "HATHAU", "HATHAV")
_NEW_CERTIFICATES = ("certificate_3221322", "certificate_3221323", "certificate_3221324")


class Found(Result):
    """A record, as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    record: dict[str, Any]


class Many(Result):
    """Flights that were found."""

    found: list[Any]


class Nothing(Arguments):
    pass


class UserId(Arguments):
    user_id: str


class ReservationId(Arguments):
    reservation_id: str


class Flight(Arguments):
    flight_number: str
    date: str


class Passenger(Arguments):
    first_name: str
    last_name: str
    dob: str


class Payment(Arguments):
    payment_id: str
    amount: int


class Between(Arguments):
    origin: str
    destination: str
    date: str


class Certificate(UserId):
    amount: int


class Booking(UserId):
    origin: str
    destination: str
    flight_type: Literal["round_trip", "one_way"]
    cabin: Cabin
    flights: list[Flight]
    passengers: list[Passenger]
    payment_methods: list[Payment]
    total_baggages: int
    nonfree_baggages: int
    insurance: Literal["yes", "no"]


class Baggages(ReservationId):
    total_baggages: int
    nonfree_baggages: int
    payment_id: str


class Flights(ReservationId):
    cabin: Cabin
    flights: list[Flight]
    payment_id: str


class Passengers(ReservationId):
    passengers: list[Passenger]


def _refused(why: str) -> RequestError:
    return RequestError("not_allowed", why)


def _day(connection: Connection, flight: Flight) -> tuple[Record, Record]:
    """A flight and what it is on a day."""
    found = one(connection, "flights", flight.flight_number)
    if flight.date not in found["dates"]:
        raise AccessError("not_found", f"There is no {flight.flight_number} on {flight.date}.")
    return found, found["dates"][flight.date]


def _pay(user: Record, payment_id: str, amount: float) -> None:
    """Take the amount from the user's method, or give it back to it where it is less than 0."""
    methods = user["payment_methods"]
    if payment_id not in methods:
        raise _refused(f"The customer has no payment method {payment_id}.")
    method = methods[payment_id]
    if method["source"] == "certificate":
        raise _refused("A certificate pays for a booking only.")
    if method["source"] == "gift_card":
        if method["amount"] < amount:
            raise _refused("The gift card does not hold as much.")
        method["amount"] -= amount


def _get(kind: str, field: str) -> Any:
    def get(connection: Connection, call: Call, asked: Arguments) -> Found:
        return Found(record=one(connection, kind, getattr(asked, field)))

    return get


def _status(connection: Connection, call: Call, asked: Flight) -> Answer:
    return Answer(text=_day(connection, asked)[1]["status"])


def _airports(connection: Connection, call: Call, asked: Nothing) -> Many:
    flights = list(every(connection, "flights"))
    return Many(found=sorted({flight["origin"] for flight in flights}))


def _open_flights(
    connection: Connection, origin: str | None, destination: str | None, date: str
) -> Iterator[Record]:
    for flight in every(connection, "flights"):
        day = flight["dates"].get(date)
        fits = origin in {None, flight["origin"]} and destination in {None, flight["destination"]}
        if fits and day is not None and day["status"] == "available":
            yield {key: value for key, value in flight.items() if key != "dates"} | day


def _direct(connection: Connection, call: Call, asked: Between) -> Many:
    return Many(found=list(_open_flights(connection, asked.origin, asked.destination, asked.date)))


def _one_stop(connection: Connection, call: Call, asked: Between) -> Many:
    onward = list(_open_flights(connection, None, asked.destination, asked.date))
    return Many(
        found=[
            [first, second]
            for first in _open_flights(connection, asked.origin, None, asked.date)
            for second in onward
            if first["destination"] == second["origin"]
            and first["scheduled_arrival_time_est"] <= second["scheduled_departure_time_est"]
        ]
    )


def _seats(
    connection: Connection, flights: Sequence[Flight], cabin: Cabin, heads: int
) -> list[Record]:
    """The flights with a seat for each, as a reservation writes them."""
    legs = []
    for flight in flights:
        found, day = _day(connection, flight)
        if day["status"] != "available" or day["available_seats"][cabin] < heads:
            raise _refused(f"{flight.flight_number} on {flight.date} has not as many seats.")
        legs.append(
            {
                "flight_number": flight.flight_number, "date": flight.date,
                "price": day["prices"][cabin],
                "origin": found["origin"], "destination": found["destination"],
            }
        )  # fmt: skip
    return legs


def _book(connection: Connection, call: Call, asked: Booking) -> Found:
    user = one(connection, "users", asked.user_id)
    heads = len(asked.passengers)
    legs = _seats(connection, asked.flights, asked.cabin, heads)
    price = sum(leg["price"] for leg in legs) * heads
    price += INSURANCE_USD * heads if asked.insurance == "yes" else 0
    price += BAG_USD * asked.nonfree_baggages
    _take_payments(user, asked.payment_methods, price)
    taken = {reservation["reservation_id"] for reservation in every(connection, "reservations")}
    name = next(name for name in _NEW_RESERVATIONS if name not in taken)
    for flight in asked.flights:
        found, day = _day(connection, flight)
        day["available_seats"][asked.cabin] -= heads
        keep(connection, "flights", flight.flight_number, found)
    same = ("user_id", "origin", "destination", "flight_type", "cabin", "insurance")
    reservation: Record = {
        **{key: getattr(asked, key) for key in (*same, "total_baggages", "nonfree_baggages")},
        "reservation_id": name,
        "flights": legs,
        "passengers": [passenger.model_dump() for passenger in asked.passengers],
        "payment_history": [payment.model_dump() for payment in asked.payment_methods],
        "created_at": NOW,
    }
    user["reservations"].append(name)
    keep(connection, "users", asked.user_id, user)
    add(connection, "reservations", name, reservation)
    return Found(record=reservation)


def _take_payments(user: Record, payments: Sequence[Payment], price: int) -> None:
    methods = user["payment_methods"]
    for payment in payments:
        method: Mapping[str, Any] | None = methods.get(payment.payment_id)
        if method is None:
            raise _refused(f"The customer has no payment method {payment.payment_id}.")
        if method["source"] != "credit_card" and method["amount"] < payment.amount:
            raise _refused(f"{payment.payment_id} does not hold as much.")
    if sum(payment.amount for payment in payments) != price:
        raise _refused(f"The payments are not the price, which is {price}.")
    for payment in payments:
        method = methods[payment.payment_id]
        if method["source"] == "gift_card":
            methods[payment.payment_id]["amount"] -= payment.amount
        elif method["source"] == "certificate":
            del methods[payment.payment_id]  # what is left of a certificate is not given back


def _cancel(connection: Connection, call: Call, asked: ReservationId) -> Found:
    reservation = one(connection, "reservations", asked.reservation_id)
    history = reservation["payment_history"]
    back = [{"payment_id": p["payment_id"], "amount": -p["amount"]} for p in history]
    reservation |= {"payment_history": [*history, *back], "status": "cancelled"}
    keep(connection, "reservations", asked.reservation_id, reservation)
    return Found(record=reservation)


def _baggages(connection: Connection, call: Call, asked: Baggages) -> Found:
    reservation = one(connection, "reservations", asked.reservation_id)
    user = one(connection, "users", reservation["user_id"])
    more = max(0, asked.nonfree_baggages - reservation["nonfree_baggages"])
    _pay(user, asked.payment_id, BAG_USD * more)
    if more:
        reservation["payment_history"].append(
            {"payment_id": asked.payment_id, "amount": BAG_USD * more}
        )
    reservation |= {
        "total_baggages": asked.total_baggages,
        "nonfree_baggages": asked.nonfree_baggages,
    }
    keep(connection, "users", user["user_id"], user)
    keep(connection, "reservations", asked.reservation_id, reservation)
    return Found(record=reservation)


def _change_flights(connection: Connection, call: Call, asked: Flights) -> Found:
    reservation = one(connection, "reservations", asked.reservation_id)
    user = one(connection, "users", reservation["user_id"])
    heads = len(reservation["passengers"])
    legs = []
    for flight in asked.flights:
        legs += _kept(reservation, flight, asked.cabin) or _seats(
            connection, [flight], asked.cabin, heads
        )
    before = sum(leg["price"] for leg in reservation["flights"])
    difference = (sum(leg["price"] for leg in legs) - before) * heads
    _pay(user, asked.payment_id, difference)
    if difference:
        reservation["payment_history"].append(
            {"payment_id": asked.payment_id, "amount": difference}
        )
    reservation |= {"flights": legs, "cabin": asked.cabin}
    keep(connection, "users", user["user_id"], user)
    keep(connection, "reservations", asked.reservation_id, reservation)
    return Found(record=reservation)


def _kept(reservation: Record, flight: Flight, cabin: Cabin) -> list[Record]:
    """The leg as it was booked, if it stays: its price does not change."""
    if cabin != reservation["cabin"]:
        return []
    return [
        leg
        for leg in reservation["flights"]
        if (leg["flight_number"], leg["date"]) == (flight.flight_number, flight.date)
    ]


def _passengers(connection: Connection, call: Call, asked: Passengers) -> Found:
    reservation = one(connection, "reservations", asked.reservation_id)
    if len(asked.passengers) != len(reservation["passengers"]):
        raise _refused("The number of passengers cannot change.")
    reservation["passengers"] = [passenger.model_dump() for passenger in asked.passengers]
    keep(connection, "reservations", asked.reservation_id, reservation)
    return Found(record=reservation)


def _certificate(connection: Connection, call: Call, asked: Certificate) -> Answer:
    user = one(connection, "users", asked.user_id)
    methods = user["payment_methods"]
    name = next(name for name in _NEW_CERTIFICATES if name not in methods)
    methods[name] = {"source": "certificate", "id": name, "amount": asked.amount}
    keep(connection, "users", asked.user_id, user)
    return Answer(text=f"{name} is theirs.")


def _tool(
    name: str, arguments: type[Arguments], work: Any, result: type[Result] = Found,
    side_effect: Literal["read", "write", "money"] = "read",
) -> BusinessTool:  # fmt: skip
    title = name.replace("_", " ")
    return BusinessTool(name, title, title, arguments, result, side_effect, "mcp:tools", work=work)


AIRLINE = ToolRegistry(
    (
        CALCULATE,
        TRANSFER,
        _tool("get_user_details", UserId, _get("users", "user_id")),
        _tool("get_reservation_details", ReservationId, _get("reservations", "reservation_id")),
        _tool("get_flight_status", Flight, _status, Answer),
        _tool("list_all_airports", Nothing, _airports, Many),
        _tool("search_direct_flight", Between, _direct, Many),
        _tool("search_onestop_flight", Between, _one_stop, Many),
        _tool("book_reservation", Booking, _book, side_effect="money"),
        _tool("cancel_reservation", ReservationId, _cancel, side_effect="money"),
        _tool("update_reservation_baggages", Baggages, _baggages, side_effect="money"),
        _tool("update_reservation_flights", Flights, _change_flights, side_effect="money"),
        _tool("update_reservation_passengers", Passengers, _passengers, side_effect="write"),
        _tool("send_certificate", Certificate, _certificate, Answer, side_effect="money"),
    )
)
