"""Every kind of file is read as a person would, or refused with its file and line."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.knowledge.chunking import chunk
from actors.knowledge.document import WHOLE_MAX
from actors.knowledge.draft import Columns, Draft, Section, SourceFile, clean
from actors.knowledge.quoting import reply_of
from actors.knowledge.readers import mail, markdown, pdf, read
from routing.errors import ConfigError

COLUMNS: Columns = (("title", "Question"), ("text", "Answer"), ("audience", "Who"))


def file(name: str, content: bytes | str) -> SourceFile:
    whole = content.encode() if isinstance(content, str) else content
    return SourceFile(name, name, Path(name).suffix, lambda: io.BytesIO(whole))


def drafts(name: str, content: bytes | str, columns: Columns = ()) -> list[Draft]:
    found = list(read(file(name, content), columns))
    assert all(isinstance(one, Draft) for one in found), found
    return [one for one in found if isinstance(one, Draft)]


def errors(name: str, content: bytes | str, columns: Columns = ()) -> list[str]:
    return [str(e) for e in read(file(name, content), columns) if isinstance(e, ConfigError)]


def test_markdown_without_front_matter_is_known_by_its_only_first_heading() -> None:
    (page,) = drafts(
        "returns.md",
        "# Returns\n\nSend it back.\n\n## *Abroad*\n\nAsk first.\n\n### Duties\n\nYou pay.\n"
        "```sh\n# no heading\n```\n",
    )
    assert page.title == "Returns"
    assert page.audience is None
    assert page.sections == (
        Section("", ""),
        Section("", "Send it back."),
        Section("Abroad", "Ask first."),
        Section("Abroad > Duties", "You pay.\n```sh\n# no heading\n```"),
    )


def test_front_matter_of_other_programs_is_let_pass() -> None:
    text = "---\nlayout: page\nweight: {a: [1]}\naudience: agent\n---\nText\n"
    (page,) = drafts("how-to-pay.md", text)
    assert (page.title, page.audience) == ("how to pay", "agent")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("---\naudiance: internal\n---\nText", "a.md:2: audiance: is not a key of an article; is"),
        ("---\nAudience: internal\n---\nText", "a.md:2: Audience: is not a key"),
        ("---\naudience: everyone\n---\nText", "a.md:2: audience: must be one of public"),
        ("---\naudience: internal\nText", "a.md:1: front matter must end"),
        ("---\ntags: a, b\n---\nText", "a.md:2: tags: must be a list"),
        ("---\nupdated: soon\n---\nText", "a.md:2: updated: must be a date"),
        ("---\nx: [[" + "[" * 3000 + "\n---\nText", "a.md:"),
        ("---\nx: " + "y" * 20_000 + "\n---\nText", "a.md:1: front matter is larger"),
        (b"# T\n\n\xff\xfe", "a.md:3: is not UTF-8"),
        (b"x" * (markdown.BYTES_MAX + 1), "a.md: is larger than 4 MiB"),
    ],
)
def test_what_an_article_cannot_mean_is_refused_with_its_line(text: str, said: str) -> None:
    (error,) = errors("a.md", text)
    assert error.startswith(said)


def test_a_page_is_read_by_its_headings_without_its_furniture() -> None:
    (page,) = drafts(
        "p.html",
        "<html><head><title>Shop - Returns</title></head><body><nav>Home</nav>"
        "<h1>Returns &amp; more</h1><p>Send it <a href='javascript:x'>back</a>.</p>"
        "<h2>Abroad</h2><ul><li>Ask<li>Wait</ul><script>evil()</script><footer>Imprint</footer>",
    )
    assert page.title == "Returns & more"
    assert page.sections[0] == Section("", "Send it back.")
    assert page.sections[1].heading == "Abroad"
    assert "* Ask" in page.sections[1].text
    everything = str(page)
    assert not any(word in everything for word in ("evil", "Imprint", "Home", "javascript"))


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ("<div>" * 5000 + "secret", "p.html:1: is nested too deep"),
        ("", "p.html: holds no page"),
    ],
)
def test_a_page_of_which_a_part_would_be_lost_is_refused(html: str, said: str) -> None:
    assert [error.startswith(said) for error in errors("p.html", html)] == [True]


def pdf_of(*pages: str, title: str = "Manual") -> bytes:
    """The smallest PDF with these lines of text, one on each page."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for number, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
        objects += [
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents {5 + 2 * number} 0 R"
            "/Resources<</Font<</F1 3 0 R>>>>>>",
            f"<</Length {len(stream)}>>stream\n{stream}\nendstream",
        ]
    objects.append(f"<</Title({title})>>")
    out, places = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size, last = len(objects) + 1, len(objects)
    return (
        f"{out}xref\n0 {size}\n0000000000 65535 f \n{table}"
        f"trailer<</Size {size}/Root 1 0 R/Info {last} 0 R>>\nstartxref\n{len(out)}\n%%EOF"
    ).encode()


def test_a_pdf_is_read_page_by_page() -> None:
    (manual,) = drafts("m.pdf", pdf_of("Press the button", "", "Wait a minute"))
    assert manual.title == "Manual"
    assert manual.sections == (
        Section("Page 1", "Press the button"),
        Section("Page 3", "Wait a minute"),
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no pdf at all", "m.pdf: cannot be read as a PDF"),
        (b"", "m.pdf: cannot be read as a PDF"),
        (pdf_of(""), "m.pdf: holds no text"),
        # A page tree that is its own child: a reader that follows it never ends.
        (
            pdf_of("x").replace(b"/Kids[4 0 R]", b"/Kids[2 0 R]"),
            "m.pdf: ",
        ),
    ],
)
def test_a_broken_pdf_is_refused(content: bytes, said: str) -> None:
    (error,) = errors("m.pdf", content)
    assert error.startswith(said)


def test_a_pdf_that_takes_too_long_is_stopped() -> None:
    (error,) = pdf.read(file("m.pdf", pdf_of("x")), timeout_s=0.001)
    assert isinstance(error, ConfigError)
    assert "takes longer than" in str(error)


def test_each_row_of_a_table_is_a_document_by_the_stated_columns() -> None:
    table = 'Question;Answer;Who\nHow?;So.;public\nWhy?;"Because\nof that.";internal\n'
    first, second = drafts("faq.csv", table, COLUMNS)
    assert (first.title, first.audience, first.line) == ("How?", "public", 2)
    assert second.sections == (Section("", "Because\nof that."),)
    assert (second.audience, second.line) == ("internal", 3)
    assert first.key != second.key
    again = drafts("faq.csv", "Question,Answer,Who\nnew,new,public\nHow?,So.,public\n", COLUMNS)
    # A row keeps its name when others come before it.
    assert again[1].key == first.key


def test_a_bad_row_does_not_stop_the_others() -> None:
    table = "Question,Answer,Who\na,b\nc,,public\nd,e,nobody\nf,g,public\n\n"
    found = list(read(file("faq.csv", table), COLUMNS))
    assert [str(one) for one in found if isinstance(one, ConfigError)] == [
        "faq.csv:2: has 2 cells, not 3",
        "faq.csv:3: Answer: is empty",
        "faq.csv:4: Who: must be one of public, agent, internal",
    ]
    assert [one.title for one in found if isinstance(one, Draft)] == ["f"]


def test_a_column_that_is_not_there_is_refused_naming_those_that_are() -> None:
    (error,) = errors("faq.csv", "Frage,Antwort\na,b\n", (("text", "Answer"),))
    assert error == "faq.csv:1: Answer: is no column; there are Frage, Antwort"
    (error,) = errors("faq.csv", "Frage,Antwort\na,b\n")
    assert "--column text=NAME" in error


MAIL = """From: Ada <ada@example.com>
To: support@example.com
Subject: =?utf-8?q?Refund_of_=E2=82=AC5?=
Message-ID: <1@example.com>
Date: Tue, 3 Nov 2026 23:12:00 -0500
Content-Type: text/plain; charset=utf-8

It came back.

On Tue, 3 Nov 2026 at 10:12, Support <support@example.com> wrote:
> We sent it.
> --
> Support
"""


def test_a_message_is_its_subject_and_what_its_sender_wrote() -> None:
    (message,) = drafts("a.eml", MAIL)
    assert message.title == "Refund of €5"
    assert message.sections == (Section("", "It came back."),)
    assert (message.key, message.updated) == ("1@example.com", "2026-11-04")
    assert "ada@" not in str(message)


def test_an_archive_is_read_message_by_message_and_a_bad_one_stops_no_other() -> None:
    empty = "Subject: nothing\nMessage-ID: <2@example.com>\n\n> only a quotation\n"
    mbox = "".join(f"From x Tue Nov  3 2026\n{text}\n" for text in (MAIL, empty, MAIL))
    found = list(read(file("all.mbox", mbox), ()))
    assert [isinstance(one, Draft) for one in found] == [True, False, True]
    assert str(found[1]) == "all.mbox:16: says nothing of its own"
    assert errors("all.mbox", "Subject: x\n\nbody") == [
        "all.mbox:1: is no mbox: it does not begin with `From `"
    ]


def test_html_mail_is_read_without_what_it_quotes() -> None:
    html = (
        "Subject: x\nContent-Type: text/html\n\n<p>Mine</p><blockquote>Yours</blockquote>"
        "<style>p{}</style>"
    )
    (message,) = drafts("a.eml", html)
    assert message.sections == (Section("", "Mine"),)


def bomb_of_parts() -> str:
    part = "--b\nContent-Type: text/x-y\n\nx\n"
    return f"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n{part * 200}--b--\n"


def bomb_of_depth() -> str:
    begin = "".join(
        f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(3000)
    )
    return f"Subject: x\n{begin}Content-Type: text/plain\n\ndeep\n"


@pytest.mark.parametrize("bomb", [bomb_of_parts, bomb_of_depth])
def test_a_message_made_to_exhaust_its_reader_is_refused(bomb: Callable[[], str]) -> None:
    assert len(errors("a.eml", bomb())) == 1


def test_a_message_that_is_too_large_does_not_stop_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mail, "MESSAGE_BYTES_MAX", 2_000)
    large = MAIL + "x" * 70 * 100
    mbox = f"From x\n{large}\n\nFrom y\n{MAIL}"
    found = list(read(file("all.mbox", mbox), ()))
    assert [isinstance(one, Draft) for one in found] == [False, True]


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("Yes.\n\n-- \nAda", "Yes."),
        ("Yes.\n\n-----Original Message-----\nFrom: x", "Yes."),
        ("Yes.\n\nFrom: Bo <b@x>\nSent: Monday\nTo: Ada\nSubject: x\n\nNo?", "Yes."),
        ("> No?\n\nYes.\n\n> Sure?\n\nSure.", "Yes.\n\n\nSure."),
        ("On Monday we met, and she wrote: come.", "On Monday we met, and she wrote: come."),
        ("From: here to there\nit is far.", "From: here to there\nit is far."),
    ],
)
def test_what_was_quoted_is_left_out_and_what_was_said_stays(text: str, reply: str) -> None:
    assert reply_of(text) == reply


def test_a_short_document_is_one_passage_and_a_long_one_is_cut_at_its_headings() -> None:
    short = (Section("", "Top."), Section("A > B", "Below."))
    assert [(p.heading, p.text) for p in chunk(short)] == [("", "Top.\n\nB\n\nBelow.")]
    long = (Section("A", "a. " * 500), Section("B", "b " * 100), Section("C", ""))
    assert [p.heading for p in chunk(tuple(Section(s.heading, s.text.strip()) for s in long))] == [
        "A",
        "B",
    ]


@pytest.mark.parametrize(
    "text", ["word " * 2000, "x" * 5000, "A sentence here. " * 400, "para\n\n" * 900]
)
def test_no_passage_is_too_long_and_no_word_is_lost(text: str) -> None:
    passages = chunk((Section("H", text.strip()),))
    assert len(passages) > 1
    assert all(0 < len(passage.text) <= WHOLE_MAX for passage in passages)
    assert "".join("".join(p.text for p in passages).split()) == "".join(text.split())


def test_characters_that_no_text_has_are_taken_out() -> None:
    assert clean("a\x00b\r\nc\ud800\u2028d") == "a b\nc  d"
