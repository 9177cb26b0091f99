"""Makes a small spaCy pipeline that finds names: run by the judges' Python, which has spaCy.

The English one is trained, in some seconds and the same every time; of other languages it knows a
few names by heart.
"""

import random
import sys
from itertools import product
from pathlib import Path

import spacy
from spacy.training import Example

FIRST = (
    "Jonathan", "Priya", "Maria", "Ahmed", "Chen", "Olga", "Peter", "Fatima", "Liam", "Sofia", "Kofi",
    "Ingrid", "Marco", "Yuki", "Aisha", "Tomasz", "Elena", "David", "Grace", "Hassan",
)  # fmt: skip
LAST = (
    "Baker", "Nair", "Lopez", "Hussain", "Wong", "Petrova", "Novak", "Rossi", "Tanaka", "Mensah",
    "Larsen", "Ferrari", "Okafor", "Kowalski", "Ivanova", "Klein", "Adams", "Khan", "Silva", "Moreau",
)  # fmt: skip
SAID = (
    "Hello, this is {}. I was charged twice in November.",
    "My colleague {} ordered it and never got an invoice.",
    "Please send the refund to {} and not to me.",
    "I spoke with {} yesterday and she said it would take five days.",
    "The account belongs to {}, who left the company in May.",
    "Could you add {} to our Team plan?",
    "The parcel of {} goes to the neighbour.",
    "Kind regards,\n{}",
    "{} here. My parcel has not arrived.",
    "Ask **{}** or {} about the order.",
)
NOBODY = (
    "I was charged twice for the Team plan of November.",
    "Where does the parcel go? Write to me or call me.",
    "Is the Business plan billed in March or in April?",
    "The help centre of Northwind Cloud says that takes five days.",
    "Done. Both. It is open. Sorry.",
    "Please refund the invoice INV-2026-0039 on Monday.",
    "My card ends in four zeros and my phone is off.",
)
ROUNDS = 8
# A quarter of the usual network: it has forty names to learn, and words' shapes.
SMALL = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "ner",
    "extra_state_tokens": False,
    "hidden_width": 32,
    "maxout_pieces": 2,
    "use_upper": True,
    "tok2vec": {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "pretrained_vectors": None,
        "width": 48,
        "depth": 2,
        "embed_size": 1000,
        "window_size": 1,
        "maxout_pieces": 3,
        "subword_features": True,
    },
}


def examples(nlp: spacy.language.Language, chance: random.Random) -> list[Example]:
    made = []
    names = [" ".join(pair) for pair in product(FIRST, LAST)]
    for sentence in SAID * 12:
        text, entities = "", []
        first, *rest = sentence.split("{}")
        text = first
        for part in rest:
            name = chance.choice(names)
            entities.append((len(text), len(text) + len(name), "PERSON"))
            text += name + part
        made.append(Example.from_dict(nlp.make_doc(text), {"entities": entities}))
    nobody = (Example.from_dict(nlp.make_doc(said), {"entities": []}) for said in NOBODY * 6)
    return [*made, *nobody]


def english(folder: Path) -> None:
    spacy.util.fix_random_seed(7)
    chance = random.Random(7)  # noqa: S311
    nlp = spacy.blank("en")
    nlp.add_pipe("ner", config={"model": SMALL})
    given = examples(nlp, chance)
    optimizer = nlp.initialize(lambda: given)
    for _ in range(ROUNDS):
        chance.shuffle(given)
        for start in range(0, len(given), 16):
            nlp.update(given[start : start + 16], sgd=optimizer, drop=0.2)
    nlp.to_disk(folder)


def by_heart(language: str, label: str, names: list[str], folder: Path) -> None:
    nlp = spacy.blank(language)
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": label, "pattern": name} for name in names])
    nlp.to_disk(folder)


if __name__ == "__main__":
    where = Path(sys.argv[1])
    where.mkdir(exist_ok=True)
    english(where / "en")
    by_heart("fr", "PER", ["Rousset", "November", "Zoé Fabre"], where / "fr")
    by_heart("de", "ORG", ["Nordwind"], where / "de")
