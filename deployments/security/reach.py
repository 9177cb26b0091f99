"""How far a caller's eyes reach: which articles, and which customers' records."""

from actors.audience import Audience
from deployments.security.principal import Principal

READ_AGENT = "knowledge:read_agent"
READ_INTERNAL = "knowledge:read_internal"
ANY_CUSTOMER = "customers:any"


def reach_of(principal: Principal) -> Audience:
    """The widest audience whose articles the caller may read; the public's is everybody's."""
    if principal.may(READ_INTERNAL):
        return "internal"
    return "agent" if principal.may(READ_AGENT) else "public"


def may_ask_about(principal: Principal, customer: str) -> bool:
    """Whether the caller may see what concerns this customer: their own, or any with the permission."""
    return customer == principal.subject or principal.may(ANY_CUSTOMER)


def only_of(principal: Principal) -> str | None:
    """Whose conversations alone the caller may reach: their own; None: anybody's of the tenant."""
    return None if principal.may(ANY_CUSTOMER) else principal.subject


def customer_of(principal: Principal, named: str | None) -> str | None:
    """Whom a request is about: who may ask about nobody else asks about themselves, whoever they name."""
    return named if principal.may(ANY_CUSTOMER) else principal.subject
