"""Where a variable may be missing: at what is then not used at all. Anywhere else it is an error.

Without a value a setting has its default, and the default of who is let in is everybody. So nothing
has to be known of a setting for this to be safe, only of the few that may stay empty.
"""

from collections.abc import Collection, Sequence

from config.document import Document, Loc
from config.explain import is_setting
from config.settings import Unset
from routing.errors import ConfigError

# A provider of sign-on, or an authority: whichever of these it lacks, it is not used. Nor is a
# platform, whatever it lacks.
_PROVIDER = frozenset({"tenant_id", "client_id", "client_secret", "domain", "issuer"})
_AUTHORITY = frozenset({"token_url", "client_id", "client_secret"})
# Whoever checks a configuration need not know these, and who is asked without one refuses.
_PASSWORDS: Collection[Loc] = (("database", "password"), ("redis", "password"))


def may_be_unset(loc: Loc) -> bool:
    """Whether what is written at `loc` may name a variable that is not set."""
    match loc:
        case ("platforms", _, _, *_):
            return True
        case ("sso", key) | ("sso_providers", _, key):
            return key in _PROVIDER
        case ("mcp", "authorities", _, key):
            return key in _AUTHORITY
        case _:
            return loc in _PASSWORDS


def unset_errors(
    document: Document, unset: Sequence[Unset], emptied: Sequence[Loc]
) -> list[ConfigError]:
    """An error for each variable that is missing where it must not be.

    `emptied` are the places of `${NAME:-}` that came out empty: a setting is then left out, as its
    writer says, but a list or a mapping would say something else without its member.
    """
    found = [
        document.error(each.loc, _refusal(each.names))
        for each in unset
        if not may_be_unset(each.loc)
    ]
    found.extend(
        document.error(loc, "is empty, and the others would say something else without it")
        for loc in emptied
        if isinstance(loc[-1], int) or not is_setting(loc)
    )
    return found


def _refusal(names: Sequence[str]) -> str:
    example = names[0]
    return (
        f"{', '.join(names)} not set; set it, write ${{{example}:-…}} with what holds otherwise, or "
        "delete the line"
    )
