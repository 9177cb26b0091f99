"""What a company knows: its articles, how they are related, and its customers' records.

Everything found is a `Passage` that says where it is from and who may read it. Nothing
here asks a model or a network.
"""

from actors.knowledge.document import Audience, Hit, Passage, Source
from actors.knowledge.records import Records

__all__ = [
    "Audience",
    "Hit",
    "Passage",
    "Records",
    "Source",
]
