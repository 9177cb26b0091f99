"""A request's seal: it writes tokens where personal data stands, and knows what each stands for.

A token is a keyed hash of the value: the same in every turn of a conversation, another in any
other, and nothing by which the value could be found. The values are in this object and go with it.
"""

import hmac
import re
import threading
from collections.abc import Mapping, Sequence
from json import dumps

from config.privacy import Kind
from deployments.privacy.find import CORE, WORDS, Finder, Found, Span, beside
from deployments.privacy.known import NOBODY, Known
from deployments.privacy.names import Names
from deployments.privacy.spelling import plain
from routing.message import Json, JsonObject

CODE_LENGTH = 6
"""Characters of 32 each: two of a conversation's values share a code once in a thousand million, and
then the later one's is longer."""
_CODE_MAX = 26
# Five bits of each byte, in letters that nobody takes for one another.
_LETTERS = bytes(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[byte & 31] for byte in range(256))
_SPELLING_LENGTH = 3
# Values whose spelling differs without being another value; of all others every character counts.
_DIGITS = re.compile(r"[^0-9A-Za-z+]")
_BY_DIGITS = frozenset({"card", "iban", "national_id", "phone"})
_AT = re.compile("\uff20|%40")
_EXACT = frozenset({"secret", "text"})
_TOKEN = re.compile(rf"\[({CORE})\]|\\\[({CORE})\\\]|({CORE})")


NOTHING: frozenset[Kind] = frozenset()


class Seal:
    """Seals the texts of one request and opens what is answered; calls that are made at once may share it."""

    def __init__(self, key: bytes, finder: Finder, known: Known = NOBODY) -> None:
        """`key` is of one conversation; `known` is what is known of the customer it is about."""
        self._key = key
        self._finder = finder
        self._known = known
        self._values: dict[str, tuple[Found, str]] = {}
        self._cores: dict[tuple[Found, str], str] = {}
        self._lock = threading.Lock()
        # At once: a vendor that calls our tools itself reads tokens of the record that no text of
        # this request has.
        for kind, value in known.facts:
            if kind in finder.kinds:
                self._core(kind, value)

    @property
    def names(self) -> Names | None:
        """The model that it waits for, where there is one."""
        return self._finder.names

    def text(self, text: str, spare: frozenset[Kind] = NOTHING) -> str:
        """The text with a token for every value that is found in it, those of `spare` excepted."""
        spans = [span for span in self._found(text) if span.kind not in spare]
        if not spans:
            return text
        out, at = list[str](), 0
        for start, end, kind in spans:
            out += (text[at:start], "[", self._core(kind, text[start:end]), "]")
            at = end
        out.append(text[at:])
        return "".join(out)

    def without(self, text: str) -> str:
        """The text without the values: for a search, to which a token is one more word."""
        out, at = list[str](), 0
        for start, end, kind in self._found(text):
            if kind != "text":
                out += (text[at:start], " ")
                at = end
        return "".join((*out, text[at:])) if out else text

    def json(self, value: Json, spare: frozenset[Kind] = NOTHING) -> Json:
        """All texts of a JSON value so, names of members among them."""
        match value:
            case str():
                return self.text(value, spare)
            case Mapping():
                return self.arguments(value, spare)
            case Sequence():
                return [self.json(one, spare) for one in value]
            case int() | float() if not isinstance(value, bool):
                said = str(value)
                token = self.text(said, spare)
                return value if token == said else token
            case _:
                return value

    def arguments(self, arguments: JsonObject, spare: frozenset[Kind] = NOTHING) -> JsonObject:
        """The same of a call's arguments."""
        return {self.text(name, spare): self.json(one, spare) for name, one in arguments.items()}

    def opened(self, text: str, *, as_json: bool = False) -> str:
        """The text with the values of this request's tokens.

        A token that nobody made here stays as it is. Where the text is a JSON document (`as_json`),
        values are written as its strings have them.
        """
        if "-" not in text or not self._values:
            return text

        def value(found: re.Match[str]) -> str:
            opened = self._value(found)
            return dumps(opened)[1:-1] if as_json and opened != found[0] else opened

        return _TOKEN.sub(value, text)

    def opened_json(self, value: Json) -> Json:
        """The same for all texts of a JSON value."""
        match value:
            case str():
                return self.opened(value)
            case Mapping():
                return {self.opened(name): self.opened_json(one) for name, one in value.items()}
            case Sequence():
                return [self.opened_json(one) for one in value]
            case _:
                return value

    def opened_arguments(self, arguments: JsonObject) -> JsonObject:
        """The same for a call's arguments."""
        return {self.opened(name): self.opened_json(one) for name, one in arguments.items()}

    def _value(self, found: re.Match[str]) -> str:
        made = self._values.get(found[1] or found[2] or found[3])
        return found[0] if made is None else made[1]

    def _found(self, text: str) -> Sequence[Span]:
        spans: Sequence[Span] = self._finder.find(text)
        known = self._known.find(text)
        if known:
            kinds = self._finder.kinds
            both = beside(spans, [span for span in known if span.kind in kinds])
            spans = self._finder.beyond(text, both)
        return self._finder.with_names(text, spans)

    def _core(self, kind: Found, value: str) -> str:
        core = self._cores.get((kind, value))
        if core is None:
            with self._lock:
                core = self._made(kind, value)
                self._cores[kind, value] = core
                self._values[core] = (kind, value)
        return core

    def _made(self, kind: Found, value: str) -> str:
        plain = _normal(kind, value)
        code = self._code(kind, plain)
        # The same value spelled otherwise begins like it, and is opened as it was spelled.
        spelling = "" if plain == value else "-" + self._code(kind, "\0" + value)[:_SPELLING_LENGTH]
        for length in range(CODE_LENGTH, _CODE_MAX, 2):
            core = f"{WORDS[kind]}-{code[:length]}{spelling}"
            if self._values.get(core, (kind, value)) == (kind, value):
                return core
        raise AssertionError("two values have one hash")

    def _code(self, kind: Found, text: str) -> str:
        said = f"{kind}\0{text}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, said, "sha256")[:_CODE_MAX].translate(_LETTERS).decode()


def _normal(kind: Found, value: str) -> str:
    if kind in _EXACT:
        return value
    if kind in _BY_DIGITS:
        return _DIGITS.sub("", value).upper()
    if kind == "email":
        value = _AT.sub("@", value)
    return plain(value)
