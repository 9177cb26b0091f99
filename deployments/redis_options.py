"""Where Redis is, as its clients want to be told."""

from typing import TYPE_CHECKING

from config.redis_settings import RedisSettings

if TYPE_CHECKING:
    from actors.redis_store import RedisOptions


def redis_options(redis: RedisSettings) -> "RedisOptions":
    """The settings, with the password in the clear."""
    # Here and not above: a laptop has no use for Redis' library, which takes a while to load.
    from actors.redis_store import RedisOptions  # noqa: PLC0415

    password = None if redis.password is None else redis.password.get_secret_value()
    return RedisOptions(
        urls=redis.urls,
        is_cluster=redis.cluster,
        username=redis.username,
        password=password,
        tls_ca_file=redis.tls_ca_file,
        tls_cert_file=redis.tls_cert_file,
        tls_key_file=redis.tls_key_file,
        connections_max=redis.max_connections,
    )
