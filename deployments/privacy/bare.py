"""Texts without personal data and without a way back: for logs and embeddings, which give nothing back."""

from collections.abc import Sequence

from deployments.privacy.find import WORDS, Finder


class Bare:
    """Writes the kind of a value where the value was."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder

    def text(self, text: str) -> str:
        """One text."""
        out, at = list[str](), 0
        for start, end, kind in self._finder.with_names(text, self._finder.find(text)):
            if kind != "text":
                out += (text[at:start], f"[{WORDS[kind]}]")
                at = end
        return "".join((*out, text[at:])) if out else text

    def texts(self, texts: Sequence[str]) -> list[str]:
        """Several."""
        return [self.text(text) for text in texts]
