"""The tables of sign-on: what is under way in a browser, sessions, and logout tokens already used.

What `tables.py` says of times and tenants holds here too. Nothing here opens anything: of every
secret there is a hash.
"""

from sqlalchemy import JSON, Column, Double, Index, Table, Text

from actors.database.tables import metadata

# Before anybody is known there is no tenant; the state is random and used once.
sign_on = Table(
    "sign_on",
    metadata,
    Column("state_hash", Text, primary_key=True),
    Column("browser_hash", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("verifier", Text, nullable=False),
    Column("next", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("sign_on_by_time", "expires_at"),
)

# `provider_session` is the provider's own name of it (`sid`), by which it may end it.
session = Table(
    "session",
    metadata,
    Column("tenant", Text, primary_key=True),
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
