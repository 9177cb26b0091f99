"""The prompt cache: which prompt prefixes a platform has seen, so that usage can say so."""

import hashlib
from collections import OrderedDict

MAX_PREFIXES = 1_000
SHORTEST_PREFIX = 1_024  # tokens; OpenAI's and Anthropic's documented minimum


class PromptCache:
    """A bounded memory of prefixes; the least recently used one is forgotten first."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def remember(self, *prefix: str) -> bool:
        """Remember a prefix and return whether it was known."""
        digest = hashlib.sha256("\0".join(prefix).encode()).digest()
        known = digest in self._seen
        self._seen[digest] = None
        self._seen.move_to_end(digest)
        if len(self._seen) > MAX_PREFIXES:
            self._seen.popitem(last=False)
        return known
