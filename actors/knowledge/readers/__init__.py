"""Readers: one for each kind of file. They are bounded, and yield what is wrong instead of raising it.

What a reader yields depends on the file alone, so a file that has not changed need not be
read again.
"""

from actors.knowledge.draft import Columns, Read, SourceFile

VERSION = 1
"""One higher whenever a reader, the chunking or the extraction makes something else of a file."""

SUFFIXES = (".md", ".markdown", ".html", ".htm", ".pdf", ".csv", ".tsv", ".eml", ".mbox")
"""The kinds of file that can be read, by the ends of their names."""


def read(file: SourceFile, columns: Columns) -> Read:
    """The documents in the file, and what is wrong with those that cannot be meant.

    Raises:
        OSError: the file cannot be read just now.
    """
    # Imported when one is needed: every start ingests Markdown, and what reads HTML takes 70 ms.
    match file.suffix:
        case ".md" | ".markdown":
            from actors.knowledge.readers import markdown  # noqa: PLC0415

            return markdown.read(file)
        case ".html" | ".htm":
            from actors.knowledge.readers import webpage  # noqa: PLC0415

            return webpage.read(file)
        case ".pdf":
            from actors.knowledge.readers import pdf  # noqa: PLC0415

            return pdf.read(file)
        case ".csv" | ".tsv":
            from actors.knowledge.readers import table  # noqa: PLC0415

            return table.read(file, columns)
        case ".eml" | ".mbox":
            from actors.knowledge.readers import mail  # noqa: PLC0415

            return mail.read(file)
        case suffix:
            raise AssertionError(suffix)
