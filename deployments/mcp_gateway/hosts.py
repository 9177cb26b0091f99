"""Which Host and Origin a request may carry: a page elsewhere must not talk to us through a browser.

A name that its owner points at this machine (DNS rebinding) reaches us as another Host.
"""

from collections.abc import Sequence
from typing import Literal

from starlette.datastructures import Headers


def foreign(
    headers: Headers, hosts: Sequence[str], origins: Sequence[str]
) -> Literal["host", "origin"] | None:
    """What in the headers is not ours; None where nothing is.

    A pattern is compared as it is; one that ends in `:*` takes any port, or none. A request
    without Origin does not come from a page.
    """
    host, origin = headers.get("host"), headers.get("origin")
    if host is None or not _listed(host, hosts):
        return "host"
    if origin is not None and not _listed(origin, origins):
        return "origin"
    return None


def _listed(value: str, patterns: Sequence[str]) -> bool:
    value = value.lower()
    for pattern in patterns:
        base, star, _ = pattern.lower().rpartition(":*")
        if not star:
            if value == pattern.lower():
                return True
            continue
        port = value.removeprefix(base)
        if port != value and (not port or (port[0] == ":" and port[1:].isdigit())):
            return True
    return False
