"""What a company knows: its articles, how they are related, and its customers' records.

Everything found is a `Passage` that says where it is from and who may read it. Nothing
here asks a model or a network.
"""

from actors.knowledge.articles import read_articles
from actors.knowledge.document import Article, Audience, Hit, Passage, Source
from actors.knowledge.graph import ArticleGraph
from actors.knowledge.lexical import LexicalIndex
from actors.knowledge.records import Records

__all__ = [
    "Article",
    "ArticleGraph",
    "Audience",
    "Hit",
    "LexicalIndex",
    "Passage",
    "Records",
    "Source",
    "read_articles",
]
