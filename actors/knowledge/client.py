"""A replica's view of the indexes: the last ones at hand, newer ones as they come.

The actor is on no question's path. While it is away, what was read stays readable.
"""

import asyncio
import contextlib
import logging

from ray.actor import ActorProxy
from ray.exceptions import RayError

from actors import names
from actors.knowledge.actor import Indexer, IndexerActor, IndexerOptions
from actors.knowledge.errors import KnowledgeUnavailable
from actors.knowledge.index import KnowledgeIndex

_log = logging.getLogger(__name__)

# The actor answers when there is news; this often it says that there is none.
WAIT_S = 30.0
# How long an answer may take beyond that, and the first one, which builds: 50,000 passages take 20 s.
ANSWER_WITHIN_S = 60.0
# A start does not wait for an index: until there is one, what is asked of it is named as missing.
START_S = 5.0
RETRY_EVERY_S = 1.0


class KnowledgeClient:
    """What one process knows of every tenant's index."""

    def __init__(self, options: IndexerOptions) -> None:
        self._options = options
        self._indexes: dict[str, KnowledgeIndex] = {}
        self._has_heard = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._actor: ActorProxy[Indexer] | None = None

    def index(self, tenant: str) -> KnowledgeIndex | None:
        """The tenant's index; None: it knows nothing.

        Raises:
            KnowledgeUnavailable: nothing has been heard yet of any index.
        """
        if not self._has_heard.is_set():
            raise KnowledgeUnavailable("The indexes are still being built.")
        return self._indexes.get(tenant)

    async def start(self) -> None:
        """Make sure the actor exists, and begin to listen."""
        self._loop = asyncio.get_running_loop().create_task(self._run())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                await self._has_heard.wait()

    async def aclose(self) -> None:
        """Stop listening."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except (RayError, TimeoutError) as error:
                # The handle of an actor that was replaced is of no use: look it up anew.
                self._actor = None
                _log.warning("the indexer does not answer (%s); going on", type(error).__name__)
                # A restart takes 2 s, and asking all the time would only slow it down.
                await asyncio.sleep(RETRY_EVERY_S)

    async def _listen(self) -> None:
        known = {tenant: (at.version, at.model) for tenant, at in self._indexes.items()}
        async with asyncio.timeout(WAIT_S + ANSWER_WITHIN_S):
            wait_s = WAIT_S if self._has_heard.is_set() else 0.0
            news = await self._handle().newer.remote(known, wait_s)
            for tenant, published in news.items():
                # The arrays are mapped, not copied; what is copied is some kilobytes around them.
                self._indexes[tenant] = await published.refs[0]
        self._has_heard.set()

    def _handle(self) -> ActorProxy[Indexer]:
        if self._actor is None:
            self._actor = IndexerActor.options(
                name=names.INDEXER,
                namespace=names.NAMESPACE,
                lifetime="detached",
                get_if_exists=True,
                max_concurrency=1000,
            ).remote(self._options)
        return self._actor
