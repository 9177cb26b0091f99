"""Who may read what a company knows: the one word that keeps the staff's articles from customers."""

from typing import Literal, TypeAlias

Audience: TypeAlias = Literal["public", "agent", "internal"]
"""Who an article is written for: customers, the people who answer them, or the company."""

AUDIENCES: tuple[Audience, ...] = ("public", "agent", "internal")
