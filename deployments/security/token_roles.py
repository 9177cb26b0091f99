"""From what an identity provider says of somebody to what they may do here; nothing by default."""

from collections.abc import Iterable, Mapping

from config.security import RoleRule
from deployments.security.errors import TokenRefused

# Entra writes at most 200 groups into a token and then a pointer in their place, which is not followed.
_VALUES_MAX = 1000


class RoleRules:
    """The rules of one provider, by what they look for."""

    def __init__(self, rules: Iterable[RoleRule]) -> None:
        self._rules: dict[str, dict[str, set[str]]] = {}
        for rule in rules:
            self._rules.setdefault(rule.claim, {}).setdefault(rule.equals, set()).add(rule.role)

    def roles_in(self, claims: Mapping[str, object]) -> frozenset[str]:
        """The roles that whoever has these claims has; a value is compared to the letter."""
        roles = set[str]()
        for claim, rules in self._rules.items():
            for value in values_of(claims, claim):
                roles |= rules.get(value, set())
        return frozenset(roles)


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
