"""Which of an agent's sessions knows which conversation: found by what was said in it.

A session is taken up again only where exactly this user said exactly this before. After a
turn that another platform answered, or on another replica, there is none, and the agent is
told again. Nobody is known by anything but the hash that stands for them.
"""

import hashlib
from collections.abc import Callable, Sequence

from routing.message import Message

# A conversation that rests for longer mostly is another one; the agent is then reminded.
SESSION_LIFE_S = 1800.0
# Some 200 bytes each: 2 MB of a replica. The oldest is forgotten first.
MAX_SESSIONS = 10_000


class Sessions:
    """The sessions of one replica that may go on. `now` is any clock that only moves forward."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kept: dict[bytes, tuple[str, float]] = {}

    def take(self, user_id: str, earlier: Sequence[Message]) -> str | None:
        """The session in which this was said, for one turn: `keep` it again afterwards.

        Taken once: two conversations that began alike never go on in one session.
        """
        session_id, until = self._kept.pop(_key(user_id, earlier), ("", 0.0))
        return session_id if self._now() < until else None

    def keep(self, user_id: str, messages: Sequence[Message], session_id: str) -> None:
        """Remember that in this session all of this was said."""
        key = _key(user_id, messages)
        self._kept.pop(key, None)  # what is kept anew is the newest
        self._kept[key] = (session_id, self._now() + SESSION_LIFE_S)
        if len(self._kept) > MAX_SESSIONS:
            del self._kept[next(iter(self._kept))]


def _key(user_id: str, messages: Sequence[Message]) -> bytes:
    digest = hashlib.blake2b(user_id.encode(), digest_size=16)
    for message in messages:
        said = message.text.encode(errors="surrogatepass")
        digest.update(b"\0%s %d " % (message.role.encode(), len(said)) + said)
    return digest.digest()
