"""Finds personal data in a text by its form: every kind that has a form; names, where a model tells them.

Linear in the length of the text: every pattern takes a run of characters once and gives nothing of
it back, so there is no text that makes it slow. Whoever has a checksum must pass it.
"""

import ipaddress
import re
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from hashlib import blake2b
from typing import Literal, NamedTuple, TypeAlias

from config.privacy import KINDS, Kind
from deployments.privacy.checksums import is_fiscal_code
from deployments.privacy.names import Names
from deployments.privacy.phones import Phones
from deployments.privacy.pieces import trimmed
from deployments.privacy.proven import numbers
from deployments.privacy.runs import is_joined, runs
from deployments.privacy.spelling import INVISIBLE, UNSPACED, WORD, is_word, unescaped_in_place

Found: TypeAlias = Kind | Literal["text"]
"""A kind of personal data, or `text`: what only looks like a token of ours."""


class Span(NamedTuple):
    """Where something stands in a text, and what it is."""

    start: int
    end: int
    kind: Found


SEEN_MAX = 4_096
"""Texts whose spans are remembered, about 200 bytes each: the turns of 400 conversations come again
with every message. Only places and kinds are kept, and a hash of the text."""

AGAIN_MAX = 3
"""Times a text is looked through again without what was found in it: for what was written right
beside that, as one word with it."""

_WORTH_REMEMBERING = 64  # shorter texts are searched as fast as they are looked up

# A word or a number beside it, with nothing or one sign between: most values stand alone.
_GLUED_BEFORE = re.compile(r"(?:[^\s,;!?\"<>]|\d.)\Z")
_GLUED_BEHIND = re.compile(r"[^\s.,;:!?\"<>)]|[^,;!?\"<>]\w")
# What every kind with a form has somewhere; most sentences have none of it.
_ANY = re.compile(r"[\d@\uff20]|-----BEGIN|::|A[KS]IA")
# Letters' marks that stand alone are of the word as well, and so is what nobody sees.
_MARKS = rf"\u0300-\u036f{INVISIBLE}"
_LOCAL = rf"\w.+'{_MARKS}-"
# What follows a name in letters of ASCII without a space is none of it, where it is Chinese.
_DOMAIN = (
    rf"[{INVISIBLE}]{{0,5}}+(?:[^\W_][\w{_MARKS}-]*+\.){{1,32}}"
    rf"(?:[A-Za-z]{{2,24}}+(?![^\W\d_{UNSPACED}])|[^\W\d_]{{2,63}}+|xn--[A-Za-z0-9-]{{1,59}}+)"
)
_EMAIL = re.compile(rf"(?<![%{_LOCAL}])[%{_LOCAL}]++[@\uff20]{_DOMAIN}")
_QUOTED_EMAIL = re.compile(rf"(?<![%{_LOCAL}])(?:[{_LOCAL}]|%(?!40))++%40{_DOMAIN}")
_BEFORE = re.compile(rf".*[{UNSPACED}](?=[%{_LOCAL}])", re.DOTALL)
_FISCAL = re.compile(rf"\d\d[A-EHLMPR-Ta-ehlmpr-t]\d\d[A-Za-z]\d{{3}}[A-Za-z](?!{WORD})")
_FISCAL_LETTERS = re.compile("[A-Za-z]{6}")
_SECRETS = re.compile(
    r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))(?:"
    r"(?:sk|rk|smk)[-_](?=[A-Za-z_-]*+\d)[A-Za-z0-9_-]{16,}+"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])"
    r"|gh[pousr]_[A-Za-z0-9]{30,}+|github_pat_[A-Za-z0-9_]{30,}+|glpat-[A-Za-z0-9_-]{20,}+"
    r"|xox[abeprs]-[A-Za-z0-9-]{10,}+"
    r"|AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"
    r"|eyJ[A-Za-z0-9_-]{10,}+(?:\.[A-Za-z0-9_-]{4,}+){1,4}+"
    r")"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----"
    r"(?:(?:[^-]++|-(?!----))*+-----END [A-Z ]{0,40}PRIVATE KEY-----|(?:\s*+[A-Za-z0-9+/=]{16,}+)*+)"
)
_SECRET_MARKS = (
    "sk-", "sk_", "smk", "rk_", "rk-", "AKIA", "ASIA", "gh", "glpat-", "xox", "AIza", "eyJ", "-----BEGIN",
)  # fmt: skip
_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}+")
_IPV6 = re.compile(
    rf"(?:(?<!{WORD})(?<![:.])|(?<=\\[nrt]))"
    rf"(?:[0-9A-Fa-f]{{1,4}}|:)(?::{{1,2}}[0-9A-Fa-f]{{1,4}}){{1,8}}+(?:::)?(?!{WORD}|:)"
)
_VERSION = re.compile(r"(?:\bv|version|release|build)[ :.]{0,2}$", re.IGNORECASE)

WORDS: dict[Found, str] = {
    "card": "CARD",
    "iban": "IBAN",
    "national_id": "ID",
    "email": "EMAIL",
    "phone": "PHONE",
    "ip": "IP",
    "secret": "SECRET",
    "name": "NAME",
    "address": "ADDRESS",
    "account": "ACCOUNT",
    "text": "TEXT",
}
"""What a token of each kind begins with: the word tells a model what it stands for."""

CORE = rf"(?:{'|'.join(WORDS.values())})-[A-Z2-7]{{6,26}}(?:-[A-Z2-7]{{3}})?"
"""A token without its brackets, as a pattern."""
_CORE = re.compile(CORE)


class Finder:
    """Finds the given kinds; telephone numbers without a country code are of `region`.

    With `names` it waits for a model, so it belongs into a thread.
    """

    def __init__(
        self, kinds: Collection[Kind] = KINDS, region: str = "US", names: Names | None = None
    ) -> None:
        self._kinds = frozenset(kinds)
        self.names = names
        self._phones = Phones(region)
        self._seen: OrderedDict[bytes, tuple[Span, ...]] = OrderedDict()

    @property
    def kinds(self) -> frozenset[Kind]:
        """What is looked for."""
        return self._kinds

    def find(self, text: str) -> tuple[Span, ...]:
        """What stands in the text, in its order and without an overlap; what looks like a token, too."""
        if _ANY.search(text) is None and _CORE.search(text) is None:
            return ()
        if len(text) < _WORTH_REMEMBERING:
            return self._found(text)
        key = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        known = self._seen.get(key)
        if known is None:
            known = self._seen[key] = self._found(text)
            if len(self._seen) > SEEN_MAX:
                self._seen.popitem(last=False)
        return known

    def beyond(self, text: str, spans: Sequence[Span]) -> Sequence[Span]:
        """These, and what is found once they are struck out of the text."""
        for _ in range(AGAIN_MAX):
            if not any(_is_glued(text, start, end) for start, end, _ in spans):
                break
            more = self._look(_masked(text, spans))
            if not more:
                break
            spans = beside(spans, more)
        return spans

    def with_names(self, text: str, spans: Sequence[Span]) -> Sequence[Span]:
        """These, and names of people in what they leave of the text.

        Raises:
            NamesUnavailable: there is a model to ask, and it does not answer.
        """
        if self.names is None:
            return spans
        named = [Span(*place, "name") for place in self.names.find(text)]
        # What is left of a name beside something else may be a sign, which is none.
        left = set(beside(spans, named)).difference(spans)
        parts = [
            Span(*place, "name")
            for start, end, _ in sorted(left)
            for place in trimmed(text, start, end)
        ]
        return beside(spans, parts)

    def _found(self, text: str) -> tuple[Span, ...]:
        return tuple(self.beyond(text, self._look(text)))

    def _look(self, text: str) -> Sequence[Span]:
        text = unescaped_in_place(text)
        spans = [Span(*found.span(), "text") for found in _CORE.finditer(text)]
        digits = runs(text)
        # In the order of who is believed where two see the same.
        for found in (
            _secrets(text),
            _emails(text),
            _quoted_emails(text),
            [Span(*one) for one in numbers(text, digits)],
            _fiscal_codes(text),
            _addresses(text),
            [Span(*where, "phone") for where in self._phones.find(text, digits)]
            if "phone" in self._kinds
            else (),
        ):
            spans = beside(spans, [span for span in found if span.kind in self._kinds])
        return spans


def _is_glued(text: str, start: int, end: int) -> bool:
    """Whether something is written right beside this that might be more than it looks."""
    return _GLUED_BEFORE.search(text, max(start - 2, 0), start) is not None or (
        _GLUED_BEHIND.match(text, end) is not None
    )


def _masked(text: str, spans: Sequence[Span]) -> str:
    """The text with what was found struck out: what was glued to it can be seen then."""
    out, at = list[str](), 0
    for start, end, _ in spans:
        out += (text[at:start], "[" * (end - start))
        at = end
    return "".join((*out, text[at:]))


def beside(first: Sequence[Span], more: Sequence[Span]) -> list[Span]:
    """Both in one order; of `more` only what `first` leaves of it. Each is in order, without overlaps."""
    if not first or not more:
        return list(first or more)
    merged: list[Span] = []
    at = 0
    for begin, end, kind in more:
        start = begin
        while at < len(first) and first[at].end <= start:
            merged.append(first[at])
            at += 1
        while at < len(first) and first[at].start < end:
            if start < first[at].start:
                merged.append(Span(start, first[at].start, kind))
            start = first[at].end
            if start >= end:
                break  # it may reach into the next of `more` as well
            merged.append(first[at])
            at += 1
        if start < end:
            merged.append(Span(start, end, kind))
    merged.extend(first[at:])
    return merged


def _emails(text: str) -> Iterator[Span]:
    if "@" in text or "\uff20" in text:
        yield from _emails_by(_EMAIL, text)


def _quoted_emails(text: str) -> Iterator[Span]:
    """Those of links, where the sign is `%40`."""
    if "%40" in text:
        yield from _emails_by(_QUOTED_EMAIL, text)


def _emails_by(pattern: re.Pattern[str], text: str) -> Iterator[Span]:
    for found in pattern.finditer(text):
        start, end = found.span()
        sign = re.search("[@\uff20]|%40", found[0])
        local = found[0] if sign is None else found[0][: sign.start()]
        # What is written before it without a space, where scripts have none, is none of it.
        before = _BEFORE.match(local)
        start += 0 if before is None else before.end()
        # Punctuation before it is none of it.
        start += len(text[start:end]) - len(text[start:end].lstrip(".%+'-"))
        if text[start] in "nrt" and text[start - 1 : start] == "\\":
            start += 1  # a line's end as JSON writes it
        if text[start] not in "@\uff20":
            yield Span(start, end, "email")


def _secrets(text: str) -> Iterator[Span]:
    if any(mark in text for mark in _SECRET_MARKS):
        for found in _SECRETS.finditer(text):
            yield Span(*found.span(), "secret")


def _addresses(text: str) -> Iterator[Span]:
    spans = []
    if text.count(".") >= 3:
        spans = [
            Span(*found.span(), "ip") for found in _IPV4.finditer(text) if _is_ipv4(text, found)
        ]
    if text.count(":") >= 2:
        six = [
            Span(*found.span(), "ip")
            for found in _IPV6.finditer(text)
            if found[0].count(":") >= 2 and any(c.isdigit() for c in found[0]) and _is_ip(found[0])
        ]
        spans = beside(spans, six)
    yield from spans


def _is_ipv4(text: str, found: re.Match[str]) -> bool:
    start, end = found.span()
    before, after = text[max(start - 10, 0) : start], text[end : end + 2]
    if is_joined(text, start) or before[-1:] == "." or is_word(after[:1]):
        return False
    if after[:1] == "." and after[1:].isdigit():
        return False
    return _VERSION.search(before) is None and _is_ip(found[0])


def _is_ip(text: str) -> bool:
    """Whether it is an address somebody can be at; this machine and nobody are no person's."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def _fiscal_codes(text: str) -> Iterator[Span]:
    for found in _FISCAL.finditer(text):
        start, end = found.start() - 6, found.end()
        if start >= 0 and _FISCAL_LETTERS.fullmatch(text, start, start + 6) is not None:
            code = text[start:end].upper()
            if code.isascii() and is_fiscal_code(code):
                yield Span(start, end, "national_id")
