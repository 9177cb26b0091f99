"""Memory as the settings want it: over Redis where one is named, else over this process alone."""

from actors.database.engine import Database
from actors.memory import Memory, make_memory
from actors.window_store import InProcessWindows, WindowStore
from config.settings import Settings
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
    # Here and not above: a laptop has no use for Redis' library, which takes a while to load.
    from actors.redis_store import RedisOptions, RedisWindows  # noqa: PLC0415

    password = None if redis.password is None else redis.password.get_secret_value()
    options = RedisOptions(
        urls=redis.urls,
        is_cluster=redis.cluster,
        username=redis.username,
        password=password,
        tls_ca_file=redis.tls_ca_file,
        tls_cert_file=redis.tls_cert_file,
        tls_key_file=redis.tls_key_file,
        connections_max=redis.max_connections,
    )
    return RedisWindows(options, clock)
