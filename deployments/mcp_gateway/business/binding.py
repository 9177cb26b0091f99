"""Which customer a call concerns: whom the server bound it to, or oneself, or whom staff names."""

from actors.company.customers import no_such_customer
from deployments.mcp_gateway.caller import Caller
from deployments.security.reach import ANY_CUSTOMER, may_ask_about
from routing.errors import RequestError


def customer_of(caller: Caller, named: str | None) -> str:
    """The customer the call concerns; `named` is what the arguments say, and decides nothing alone.

    Raises:
        AccessError: it is somebody else than the caller may ask about. The words are those for a
            customer there is not.
        RequestError: nobody is bound and nobody is named.
    """
    principal, bound = caller.principal, caller.customer
    if bound is None and not principal.may(ANY_CUSTOMER):
        bound = principal.subject
    customer = named if bound is None else bound
    if customer is None:
        raise RequestError("customer_needed", "Say whose account it is, in user_id.")
    if named not in {None, customer} or not may_ask_about(principal, customer):
        raise no_such_customer()
    return customer
