"""A process of its own that turns the PDF on its standard input into lines of JSON, and ends.

It is run by its path, alone and with limits set: what a PDF can make its reader do (loops,
bombs, references to itself) stays in here. It imports nothing of ours, to start in 0.3 s.
"""

import io
import json
import logging
import resource
import sys
from collections.abc import Iterator

CPU_S = 60
MEMORY_BYTES = 2 * 1024**3
PAGES_MAX = 2_000
CHARACTERS_MAX = 2_000_000


def main() -> None:
    """Print `{"title"}`, then `{"page", "text"}` for each page, or `{"error"}` and no more."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    logging.disable(logging.CRITICAL)
    try:
        for said in _pages(sys.stdin.buffer.read()):
            print(json.dumps(said))  # noqa: T201  the pipe to who asked
    except MemoryError:
        print(json.dumps({"error": "needs more memory than a document may"}))  # noqa: T201
    except RecursionError:
        print(json.dumps({"error": "is nested too deep"}))  # noqa: T201
    except Exception as error:  # noqa: BLE001  whatever pypdf makes of it: this file cannot be read
        words = " ".join(str(error).split())[:200]
        print(json.dumps({"error": f"cannot be read as a PDF: {words}"}))  # noqa: T201


def _pages(content: bytes) -> Iterator[dict[str, object]]:
    # Here and not above: the limits hold for it too.
    from pypdf import PdfReader  # noqa: PLC0415

    document = PdfReader(io.BytesIO(content))
    if document.is_encrypted:
        yield {"error": "is encrypted; save it without a password"}
        return
    if len(document.pages) > PAGES_MAX:
        yield {"error": f"has more than {PAGES_MAX} pages; split it"}
        return
    title = document.metadata.title if document.metadata is not None else None
    yield {"title": str(title or "")}
    total = 0
    for number, page in enumerate(document.pages, 1):
        text = page.extract_text()
        total += len(text)
        if total > CHARACTERS_MAX:
            yield {"error": f"holds more than {CHARACTERS_MAX} characters; split it"}
            return
        yield {"page": number, "text": text}


if __name__ == "__main__":
    main()
