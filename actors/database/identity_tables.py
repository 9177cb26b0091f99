"""The tables of sign-on: what came to its end, tries of passwords, sessions, and logouts of providers.

What `tables.py` says of times and tenants holds here too. Nothing here opens anything: of every
secret there is a hash.
"""

from sqlalchemy import JSON, Column, Double, Index, Integer, Table, Text

from actors.database.tables import metadata, tenant_column

# Before anybody is known there is no tenant; the state is random and used once.
finished_sign_on = Table(
    "finished_sign_on",
    metadata,
    Column("state_hash", Text, primary_key=True),
    Column("expires_at", Double, nullable=False),
    Index("finished_sign_on_by_time", "expires_at"),
)

# `who` is a keyed hash of a name, an account or an address; a provider is of one tenant.
password_try = Table(
    "password_try",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("who", Text, primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("until", Double, nullable=False),
    Index("password_try_by_time", "until"),
)

# `provider_session` is the provider's own name of it (`sid`), by which it may end it. `signed_on_at`
# is when the person last proved who they are, where the provider says so.
session = Table(
    "session",
    metadata,
    tenant_column(),
    Column("id_hash", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("provider_session", Text),
    Column("roles", JSON, nullable=False),
    Column("sealed_id_token", Text),
    Column("created_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("signed_on_at", Double),
    # A browser shows a session before anybody knows whose it is.
    Index("session_by_id", "id_hash", unique=True),
    Index("session_by_subject", "tenant", "subject"),
    Index("session_by_provider", "tenant", "provider", "provider_session"),
    Index("session_by_time", "expires_at"),
)

logout_token = Table(
    "logout_token",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("token_id", Text, primary_key=True),
    Column("expires_at", Double, nullable=False),
)

# `whose` is a hash of which sessions a provider's logout was about, and `at` is when that was: what
# the provider said of them until then opens no session any more.
logout_mark = Table(
    "logout_mark",
    metadata,
    tenant_column(),
    Column("provider", Text, primary_key=True),
    Column("whose", Text, primary_key=True),
    Column("at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("logout_mark_by_time", "expires_at"),
)
