"""From what an identity provider says of somebody to what they may do here; nothing by default."""

from collections.abc import Iterable, Mapping

from config.security import RoleRule
from deployments.security.errors import TokenRefused

_VALUES_MAX = 1000
# Core 5.6.2: claims that are elsewhere. So Entra writes of somebody in more than 200 groups, and in other
# ways by the front channel and in SAML. The place is not asked: roles come from what was signed.
_ELSEWHERE = "_claim_names"
_POINTERS = {
    "groups": "hasgroups",
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups": (
        "http://schemas.microsoft.com/claims/groups.link"
    ),
}


class RoleRules:
    """The rules of one provider, by what they look for."""

    def __init__(self, rules: Iterable[RoleRule]) -> None:
        self._rules: dict[str, dict[str, set[str]]] = {}
        for rule in rules:
            self._rules.setdefault(rule.claim, {}).setdefault(rule.equals, set()).add(rule.role)

    def roles_in(self, claims: Mapping[str, object]) -> frozenset[str]:
        """The roles that whoever has these claims has; a value is compared to the letter.

        Raises:
            TokenRefused: the provider left out a claim that roles come from, or there are more values
                than anybody has.
        """
        roles = set[str]()
        for claim, rules in self._rules.items():
            if _is_elsewhere(claim, claims):
                raise TokenRefused("too many groups to be told; let roles come from app roles")
            for value in values_of(claims, claim):
                roles |= rules.get(value, set())
        return frozenset(roles)


def _is_elsewhere(claim: str, claims: Mapping[str, object]) -> bool:
    elsewhere = claims.get(_ELSEWHERE)
    if isinstance(elsewhere, Mapping) and claim in elsewhere:
        return True
    return _POINTERS.get(claim) in claims


def scopes_in(claims: Mapping[str, object]) -> frozenset[str]:
    """What a token was given for: `scope`, or `scp` as Entra and Okta call it."""
    found = set[str]()
    for name in ("scope", "scp"):
        for value in values_of(claims, name):
            found.update(value.split(" "))
    return frozenset(found - {""})


def values_of(claims: Mapping[str, object], name: str) -> frozenset[str]:
    """The texts of a claim that is one text or a list of them; none where it is anything else.

    Raises:
        TokenRefused: there are more than anybody has.
    """
    said = claims.get(name)
    if isinstance(said, str):
        return frozenset({said})
    if not isinstance(said, list):
        return frozenset()
    if len(said) > _VALUES_MAX:
        raise TokenRefused("too many values")
    return frozenset(value for value in said if isinstance(value, str))
