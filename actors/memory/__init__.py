"""Memory: what was said, what is known of a customer, and how things are done here.

SQL is the truth of all of it (`actors.database`). The ends of conversations are kept at hand in a
`WindowStore`: Redis in a region, this process on a laptop.
"""

from actors.memory.episodes import Episodes
from actors.memory.erasure import Erased, Erasure
from actors.memory.facts import CustomerFacts, Said
from actors.memory.memory import Memory, make_memory
from actors.memory.runbooks import Report, Run, Runbooks, Step
from actors.memory.window import Recalled, Window, recall

__all__ = [
    "CustomerFacts",
    "Episodes",
    "Erased",
    "Erasure",
    "Memory",
    "Recalled",
    "Report",
    "Run",
    "Runbooks",
    "Said",
    "Step",
    "Window",
    "make_memory",
    "recall",
]
