"""Memory as the settings want it: over Redis where one is named, else over this process alone."""

from actors.database.engine import Database
from actors.memory import Memory, make_memory
from actors.window_store import InProcessWindows, WindowStore
from config.settings import Settings
from deployments.redis_options import redis_options
from routing.clock import Clock


async def open_memory(settings: Settings, database: Database, clock: Clock) -> Memory:
    """Memory over the database, connected if it can be. Close it before the database."""
    memory = make_memory(database, _store(settings, clock), clock)
    await memory.store.start()
    return memory


def _store(settings: Settings, clock: Clock) -> WindowStore:
    redis = settings.redis
    if redis is None or settings.mcp.servers.memory.backend == "in_process":
        return InProcessWindows(clock)
    from actors.redis_store import RedisWindows  # noqa: PLC0415  as in redis_options

    return RedisWindows(redis_options(redis), clock)
