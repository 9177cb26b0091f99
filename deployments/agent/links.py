"""Links and images of an answer: to the allowed hosts alone, in whatever pieces the text comes.

An address in an answer can carry off what the model has read, without a click where it is an
image's. What leads elsewhere loses its markup: a link keeps its label, an address its host. What
is text stays text. It does not matter where the text is cut into pieces: the same goes out.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

# Browsers and proxies take about as much; an address beyond it is a letter in disguise.
HELD_MAX = 2_048
"""Characters held back while they may still become a link; what is longer is never one."""

_START = re.compile(
    r"\]\(|\]:|(?:https?|ftp):[/\\]{2}|(?<![a-z0-9])www\.|<(?=[a-z/!?])", re.IGNORECASE
)
# The beginnings of the above that the next piece may complete.
_MAYBE = re.compile(
    r"(?:\]|<|(?:h|ht|htt|http|https|f|ft|ftp)|(?:https?|ftp):[/\\]?|(?<![a-z0-9])w{1,3})$",
    re.IGNORECASE,
)
_MAYBE_LENGTH = 9
"""Characters in which one of those ends, and a line's end behind it: nothing before them is looked at."""
_TARGET = re.compile(r"\]\(([^)]*)\)")
_DEFINITION = re.compile(r"\]:[ \t]*\n?[ \t]*(\S+)(?=\s)")
_DEFINING = re.compile(r"\]:[ \t]*\n?[ \t]*\S*")
_ADDRESS = re.compile(r"[^\s<>\"`)\]|]*(?=[\s<>\"`)\]|])")
_TAG = re.compile(r"<([^<>]*)>")
# A tag by itself: no attributes, and nothing in it that is looked at again and may change its name.
_BARE = re.compile(r"/?([A-Za-z][A-Za-z0-9-]*)[ \t\r\n]*/?")
# What stands in these is no text: a browser fetches what it names, runs it, or reads it by other rules.
_ACTIVE = frozenset({
    "applet", "audio", "base", "body", "button", "canvas", "dialog", "embed", "fencedframe", "form",
    "frame", "frameset", "head", "html", "iframe", "image", "img", "input", "isindex", "link",
    "listing", "marquee", "math", "meta", "noembed", "noframes", "noscript", "object", "param",
    "picture", "plaintext", "portal", "script", "select", "slot", "source", "style", "svg",
    "template", "textarea", "title", "track", "video", "xmp",
})  # fmt: skip
_AUTOLINK = re.compile(r"[a-z][a-z0-9+.-]{1,31}:\S*", re.IGNORECASE)
_LEADS = re.compile(r"[:/\\.#&%]")
_HOST = re.compile(r"(?:(?:https?|ftp):)?[/\\]*(?:[^/\\@?#]*@)?([a-z0-9.-]*)", re.IGNORECASE)
# In an address they are written as %5B and the like; as they are, they may end it and begin another.
_MARKUP = '\\<>[]()"`|{}'
_TRAILING = ".,;:!?'*_~"


class AllowedLinks:
    """The hosts that answers may link to: exact names, or `*.example.com` for all below one."""

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)

    def cleaned(self, text: str) -> str:
        """A whole text."""
        return self.cleaner().whole(text)

    def cleaner(self) -> "LinkCleaner":
        """For one text that comes in pieces."""
        return LinkCleaner(self)

    def allows(self, target: str) -> bool:
        """Whether an address leads to an allowed host, over https, and to nothing else."""
        if any(c in _MARKUP or c.isspace() or not c.isprintable() for c in target):
            return False
        try:
            parts = urlsplit(target)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return False
        if parts.scheme.lower() != "https" or "@" in parts.netloc or port not in {None, 443}:
            return False
        _, _, above = host.partition(".")
        above_all = {f"*.{host.split('.', n)[-1]}" for n in range(1, host.count(".") + 1)}
        return host in self._hosts or (bool(above) and not self._hosts.isdisjoint(above_all))


class LinkCleaner:
    """One text in pieces: `feed` each, then `end`."""

    def __init__(self, allowed: AllowedLinks) -> None:
        self._allowed = allowed
        self._held = ""
        self._before = ""

    def feed(self, text: str) -> str:
        """What of it, and of what was held back, can be passed on."""
        self._held += text
        return self._pass(is_end=False)

    def whole(self, text: str) -> str:
        """The same of all there is."""
        self._held += text
        return self._pass(is_end=True)

    def end(self) -> str:
        """What is left: no more comes."""
        return self._pass(is_end=True)

    def _pass(self, *, is_end: bool) -> str:
        out: list[str] = []
        while self._held:
            # One character before, so that a word's beginning is known across pieces.
            found = None
            if _may_start(self._held):
                found = _START.search(self._before + self._held, len(self._before))
            if found is None:
                self._emit_plain(out, is_end=is_end)
                break
            self._take(out, found.start() - len(self._before))
            step = self._construct(is_end=is_end)
            if step is None:
                break
            said, length = step
            out.append(said)
            self._consume(length)
        return "".join(out)

    def _emit_plain(self, out: list[str], *, is_end: bool) -> None:
        there, maybe = self._before + self._held, None
        if not is_end:
            at = max(len(self._before), len(there) - _MAYBE_LENGTH)
            maybe = _MAYBE.search(there, at)
        self._take(out, len(self._held) if maybe is None else maybe.start() - len(self._before))

    def _take(self, out: list[str], length: int) -> None:
        out.append(self._held[:length])
        self._consume(length)

    def _consume(self, length: int) -> None:
        if length:
            self._before = self._held[length - 1]
            self._held = self._held[length:]

    def _construct(self, *, is_end: bool) -> tuple[str, int] | None:
        """What stands for the construct at the beginning, and its length; None: more has to come."""
        held = self._held
        # What comes later must not change what is said of this: only so much is ever looked at.
        looked = held[:HELD_MAX]
        is_cut = len(held) <= HELD_MAX and not is_end
        if held.startswith("]("):
            return self._target(looked, is_cut=is_cut)
        if held.startswith("]:"):
            return self._definition(looked, is_cut=is_cut)
        if held.startswith("<"):
            return self._tag(looked, is_cut=is_cut)
        return self._address(looked, is_cut=is_cut)

    def _target(self, looked: str, *, is_cut: bool) -> tuple[str, int] | None:
        found = _TARGET.match(looked)
        if found is None:
            # With a space between them they are a pair of brackets and a remark.
            return None if is_cut else ("] (", 2)
        said = found.group(1).strip()
        target = said.split(maxsplit=1)[0].removeprefix("<").removesuffix(">") if said else ""
        rest = said[len(target) :]
        if target and self._allowed.allows(target) and not _START.search(rest) and "(" not in said:
            return found.group(), found.end()
        if not _LEADS.search(said):
            return ("] (", 2) if "<" in said else (f"] ({said})", found.end())
        # The bracket is looked at again: with what comes next it might be another link.
        self._held = "]" + self._held[found.end() :]
        return "", 0

    def _definition(self, looked: str, *, is_cut: bool) -> tuple[str, int] | None:
        found = _DEFINITION.match(looked)
        if found is None:
            return None if is_cut and _DEFINING.fullmatch(looked) else ("] :", 2)
        target = found.group(1).removeprefix("<").removesuffix(">")
        if self._allowed.allows(target):
            return found.group(), found.end()
        # As a remark it is no definition, and its address is looked at as any other.
        return "] :", 2

    def _tag(self, looked: str, *, is_cut: bool) -> tuple[str, int] | None:
        found = _TAG.match(looked)
        if found is None:
            is_open = is_cut and "<" not in looked[1:]
            return None if is_open else (f"{self._apart()}&lt;", 1)
        inside = found.group(1)
        if _AUTOLINK.fullmatch(inside):
            if self._allowed.allows(inside):
                return found.group(), found.end()
            return self._apart() + _host_of(inside), found.end()
        if "=" in inside:
            # Attributes fetch. A space stands for it, lest what was apart become an address.
            return " ", found.end()
        bare = _BARE.fullmatch(inside)
        if bare is not None and bare.group(1).lower() not in _ACTIVE:
            return found.group(), found.end()
        return f"{self._apart()}&lt;", 1

    def _apart(self) -> str:
        """What keeps what follows from an address before it, which must not become another."""
        return "" if not self._before or self._before.isspace() else " "

    def _address(self, looked: str, *, is_cut: bool) -> tuple[str, int] | None:
        found = _ADDRESS.match(looked)
        if found is None and is_cut:
            return None
        address = looked if found is None else found.group()
        bare = address.rstrip(_TRAILING)
        target = bare if "://" in bare else f"https://{bare}"
        if self._allowed.allows(target):
            return address, len(address)
        return _host_of(bare) + address[len(bare) :], len(address)


def _may_start(text: str) -> bool:
    """Whether it has what each of `_START` begins with; to see that takes a twentieth of the time."""
    return (
        "<" in text
        or "](" in text
        or "]:" in text
        or ":/" in text
        or ":\\" in text
        or "www." in text.lower()
    )


def _host_of(address: str) -> str:
    """The name an address leads to, which is no link: without `www.` nothing makes one of it."""
    found = _HOST.match(address)
    name = "" if found is None else found.group(1)
    while name.lower().startswith("www."):
        name = name[4:]
    return name or "(link)"
