"""Who may change what all tenants of the service use."""

from collections.abc import Collection

from deployments.security.principal import Principal
from routing.errors import AccessError


def must_operate(principal: Principal, operators: Collection[str]) -> None:
    """Raise AccessError unless the caller is of a tenant that runs the service, whatever else they may."""
    if principal.tenant not in operators:
        message = (
            "The platforms serve every tenant of this service; its operator changes them "
            "(server.operator_tenants)."
        )
        raise AccessError("forbidden", message)
