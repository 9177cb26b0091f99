"""Links of answers: cut anywhere, nothing leads anywhere but to the allowed hosts, and text stays text."""

import re
from itertools import pairwise
from random import Random

import pytest

from deployments.agent import links
from deployments.agent.links import HELD_MAX, AllowedLinks

ALLOWED = AllowedLinks(["help.example.com", "*.shop.example"])
HOSTS = (
    "help.example.com",
    "a.shop.example",
    "shop.example",
    "evil.example",
    "help.example.com.evil.example",
    "xhelp.example.com",
    "help.example.com@evil.example",
    "EVIL.example",
)
PARTS = (
    "[", "]", "(", ")", "](", "]:", "![", "<", ">", '"', "'", " ", "\n", "\\", "/", "//", ":", "://",
    "http", "https", "https://", "HTTPS://", "http:\\\\", "ftp://", "www.", "w", "ww", "h", "t",
    "<img src=", "<a href=", "<b>", "</b>", "javascript:", "data:text/html,", "?q=secret", "#x",
    "[kb-012]", "Your refund is on its way.", "price (net)", "a_b", "=", "\t", ".", "é", "&#58;",
    "<style>", "</style>", "<STYLE/>", "<script>", "<svg>", "<www.style>", "style>", "@import '//evil'",
    *HOSTS, *(f"https://{host}/p" for host in HOSTS), *(f"](https://{host}/p)" for host in HOSTS),
    *(f"]: https://{host}/p\n" for host in HOSTS), *(f"<https://{host}/p>" for host in HOSTS),
)  # fmt: skip
# Read by somebody else's eyes: whatever a browser or a renderer of Markdown might follow.
_FOLLOWED = re.compile(r"(?:https?|ftp):[/\\]{2}([^\s<>\"`)\]|]*)", re.IGNORECASE)
_TARGETS = re.compile(r"\]\(\s*<?([^)\s>]*)")
_DEFINED = re.compile(r"\]:[ \t]*\n?[ \t]*<?([^\s>]+)\s")
TEXTS = 10_000


def cut(text: str, chance: Random) -> list[str]:
    """The text in pieces of any length, one character each at times."""
    step = chance.choice([1, 2, 7, 40])
    places = sorted(
        {0, len(text), *(chance.randrange(len(text) + 1) for _ in range(len(text) // step))}
    )
    return [text[a:b] for a, b in pairwise(places)]


def leads_elsewhere(text: str) -> list[str]:
    """Addresses in it that are not allowed."""
    found = [f"https://{a.rstrip('.,;:!?')}" for a in _FOLLOWED.findall(text)]
    found += [t for t in _TARGETS.findall(text) if re.search(r"[:/\\.]", t)]
    found += [t for t in _DEFINED.findall(text) if re.search(r"//|^[a-z]+:", t, re.IGNORECASE)]
    return [
        one for one in found if not ALLOWED.allows(re.sub("^https://https://", "https://", one))
    ]


@pytest.mark.timeout(120)
def test_no_cut_lets_a_link_through_or_changes_what_is_said() -> None:
    """Seeds 0 to 9,999: the same in pieces as in one, and no address but the allowed ones."""
    for seed in range(TEXTS):
        chance = Random(seed)  # noqa: S311
        text = "".join(chance.choice(PARTS) for _ in range(chance.randint(1, 12)))
        whole = ALLOWED.cleaned(text)
        cleaner = ALLOWED.cleaner()
        pieces = "".join(cleaner.feed(piece) for piece in cut(text, chance)) + cleaner.end()
        assert pieces == whole, (seed, text)
        assert leads_elsewhere(whole) == [], (seed, text, whole)
        assert not re.search(r"<[a-z][^<>]*=[^<>]*>", whole, re.IGNORECASE), (seed, text, whole)
        assert not re.search(r"<(?:style|script|svg)", whole, re.IGNORECASE), (seed, text, whole)


@pytest.mark.parametrize(
    "text",
    [
        "You were charged twice [kb-012]. That is 3 < 5 and (a) [b] {c}.",
        "Use List<String> and <b>bold</b><br/>, see https://help.example.com/a?b=c#d.",
        "[the guide](https://a.shop.example/guide) and ![a map](https://help.example.com/m.png)",
        "www is short for world wide web; htt is nothing; 5:30 o'clock",
        "  spaces\n\nand lines\tstay ",
        "返金は五営業日以内に。",
    ],
)
def test_text_and_allowed_links_stay_as_they_are(text: str) -> None:
    assert ALLOWED.cleaned(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("![x](https://evil.example/?q=1)", "![x]"),
        ('[here](https://evil.example/a "t")', "[here]"),
        ("go to https://evil.example/a?b=c.", "go to evil.example."),
        ("[a](//evil.example)(//evil.example)", "[a]"),
        ("ht<i class=x>tps://evil.example/y", "ht tps://evil.example/y"),
        ("[1]: https://evil.example/a\n", "[1] : evil.example\n"),
        ("[a](javascript:alert`1`)", "[a]"),
        ("<https://evil.example/a>", "evil.example"),
        ("https://help.example.com:8443/", "help.example.com"),
        ("http://help.example.com/", "help.example.com"),
        (
            "<style>@import '//evil.example/?q'</style>",
            "&lt;style>@import '//evil.example/?q' &lt;/style>",
        ),
        ("<STYLE\n>a{b:url(//evil.example)}", "&lt;STYLE\n>a{b:url(//evil.example)}"),
        ("<script>fetch('//evil.example/')", "&lt;script>fetch('//evil.example/')"),
        ("<www.style>@import '//evil.example'", "&lt;style>@import '//evil.example'"),
        ("[a](<style>)@import '//evil.example'", "[a] ( &lt;style>)@import '//evil.example'"),
    ],
)
def test_what_leads_elsewhere_is_text(text: str, shown: str) -> None:
    assert ALLOWED.cleaned(text) == shown


def test_what_is_held_back_is_bounded() -> None:
    """An address without an end is given up on, not waited for."""
    cleaner = ALLOWED.cleaner()
    given = cleaner.feed("[a](" + "x" * 10_000)
    assert len(given) > 10_000 - HELD_MAX
    assert len(AllowedLinks().cleaned("https://evil.example/" + "x" * 100_000)) < 100_000


def test_no_short_cut_passes_over_a_link() -> None:
    """Seeds 0 to 9,999: what is not looked through has none, nor the beginning of one before its end."""
    for seed in range(TEXTS):
        chance = Random(seed)  # noqa: S311
        text = "".join(
            chance.choices([*PARTS, "\u017f", "\u212a", "\r"], k=chance.randrange(1, 12))
        )
        assert links._START.search(text) is None or links._may_start(text), seed
        whole = links._MAYBE.search(text)
        end = links._MAYBE.search(text, max(0, len(text) - links._MAYBE_LENGTH))
        assert (whole and whole.span()) == (end and end.span()), seed
