"""The process that reads texts for names: Presidio over spaCy pipelines, asked over a socket.

It is a program of its own, so that a replica loads neither, waits on neither's lock, and can end
what takes too long. It needs nothing of SupportMax. A line of JSON comes for each text, and one goes
back: where names of people stand, as the first and behind the last character of each.
"""

import json
import re
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine
    from spacy.language import Language

PERSON_LABELS = ("PERSON", "PER", "persName", "PRS", "PS")
"""What spaCy's pipelines call a person: most languages, then Polish, Swedish, Korean."""

# What these add is grammar, and half of the time; no name hangs on them.
_GRAMMAR = (
    "tagger", "parser", "senter", "sentencizer", "morphologizer", "attribute_ruler", "lemmatizer",
    "trainable_lemmatizer", "textcat", "textcat_multilabel",
)  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")

_Place: TypeAlias = tuple[int, int]


class Reader:
    """Reads texts by the pipelines it was given."""

    def __init__(self, pipelines: Sequence[str]) -> None:
        """Load them, which takes a second or two.

        Raises:
            ValueError: one of them finds no people, or another is of the same language.
            OSError: one is not there, or is no pipeline.
        """
        loaded: dict[str, Language] = {}
        for name in pipelines:
            pipeline = _loaded(name)
            if pipeline.lang in loaded:
                raise ValueError(f"{name} is a second pipeline of the language {pipeline.lang}")
            loaded[pipeline.lang] = pipeline
        self._pipelines = tuple(loaded.values())
        self._analyzer = _analyzer(loaded)
        self._common: Mapping[str, frozenset[str]] = {
            language: frozenset(pipeline.Defaults.stop_words)
            for language, pipeline in loaded.items()
        }

    def people(self, text: str) -> list[_Place]:
        """Where names of people stand, in order and without an overlap.

        Pipelines of other languages know names that the text's own does not, and take common words
        for names: of what they find, names of two words or more count.
        """
        # A half of a character is nothing that a pipeline could read.
        text = text.encode("utf-8", "replace").decode()
        own = self._languages(text)
        with ExitStack() as zones:
            # Else a pipeline keeps every word it ever read: 1.2 KB for each number of an order.
            for pipeline in self._pipelines:
                zones.enter_context(pipeline.memory_zone())
            return _joined(
                (found.start, found.end)
                for language in self._common
                for found in self._analyzer.analyze(text, language, entities=["PERSON"])
                if language in own or self._is_whole(text[found.start : found.end])
            )

    def _is_whole(self, name: str) -> bool:
        """Whether it has a first and a last name, by their capitals, and no common word."""
        words = _WORD.findall(name)
        return len(words) > 1 and all(
            word[0].isupper() and not any(word.lower() in of for of in self._common.values())
            for word in words
        )

    def _languages(self, text: str) -> Sequence[str]:
        """Whose common words the text has most of; all that have equally many."""
        if len(self._common) == 1:
            return tuple(self._common)
        words = [word.lower() for word in _WORD.findall(text)]
        votes = {
            language: sum(word in common for word in words)
            for language, common in self._common.items()
        }
        most = max(votes.values())
        return [language for language, count in votes.items() if count == most]


def _loaded(name: str) -> "Language":
    # Here and not above: whoever imports this module for its words need not have them.
    import spacy  # noqa: PLC0415

    # By its folder or its package, and never from anywhere else: `load` downloads nothing.
    pipeline = spacy.load(name, exclude=_GRAMMAR)
    labels = {label for labels in pipeline.pipe_labels.values() for label in labels}
    if labels.isdisjoint(PERSON_LABELS):
        raise ValueError(f"{name} has no part that finds people")
    for part, component in list(pipeline.pipeline):
        # Vectors that nobody listens to: in most pipelines `ner` has its own.
        if part == "tok2vec" and not set(component.listening_components) & set(pipeline.pipe_names):
            pipeline.remove_pipe(part)
    return pipeline


def _analyzer(loaded: "Mapping[str, Language]") -> "AnalyzerEngine":
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry  # noqa: PLC0415
    from presidio_analyzer.nlp_engine import (  # noqa: PLC0415
        NerModelConfiguration,
        SpacyNlpEngine,
    )
    from presidio_analyzer.predefined_recognizers import SpacyRecognizer  # noqa: PLC0415

    labels = {
        label
        for pipeline in loaded.values()
        for labels in pipeline.pipe_labels.values()
        for label in labels
    }
    engine = SpacyNlpEngine(
        [{"lang_code": language, "model_name": language} for language in loaded],
        NerModelConfiguration(
            model_to_presidio_entity_mapping=dict.fromkeys(PERSON_LABELS, "PERSON"),
            labels_to_ignore=labels.difference(PERSON_LABELS),
        ),
    )
    # Its own `load` would fetch from elsewhere what is not there.
    engine.nlp = dict(loaded)
    # No other of its recognizers: of the rest our own finders are the judges.
    recognizers = [
        SpacyRecognizer(supported_language=language, supported_entities=["PERSON"])
        for language in loaded
    ]
    registry = RecognizerRegistry(recognizers, supported_languages=list(loaded))
    return AnalyzerEngine(registry, engine, supported_languages=list(loaded))


def _joined(places: Iterable[_Place]) -> list[_Place]:
    joined: list[_Place] = []
    for start, end in sorted(places):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def main(number: int, pipelines: Sequence[str]) -> None:
    """Serve the socket of this number until its other end is closed."""
    with socket.socket(fileno=number) as ours, ours.makefile("rwb") as lines:

        def say(what: Mapping[str, Any]) -> None:
            lines.write(json.dumps(what).encode() + b"\n")
            lines.flush()

        try:
            reader = Reader(pipelines)
        except Exception as error:  # noqa: BLE001  whoever started this is told, and nobody else
            say({"failed": f"{type(error).__name__}: {error}"})
            return
        say({"ready": True})
        for line in lines:
            try:
                say({"people": reader.people(json.loads(line))})
            except Exception as error:  # noqa: BLE001  its words may quote the text
                say({"failed": type(error).__name__})


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
