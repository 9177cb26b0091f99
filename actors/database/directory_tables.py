"""The tables of the directory: the people and groups that an identity provider keeps here (SCIM).

What `tables.py` says of times and tenants holds here too. `change` counts the changes of one tenant:
who has read up to one reads on from there.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
)

from actors.database.tables import metadata

# The last change of a tenant that keeps a directory.
directory = Table(
    "directory",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("change", BigInteger, nullable=False),
)

# `user_name`, `external_id` and `attributes` are sealed; `name_key` and `external_key` are what the
# first two are sought by. `subject` is who this is to sign-ons and tokens.
directory_user = Table(
    "directory_user",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("user_name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("external_id", Text),
    Column("subject", Text),
    Column("active", Boolean, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("version", Integer, nullable=False),
    Column("change", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("external_key", Text),
    Index("directory_user_by_name", "tenant", "name_key", unique=True),
    Index("directory_user_by_subject", "tenant", "subject", unique=True),
    Index("directory_user_by_external_key", "tenant", "external_key"),
    Index("directory_user_by_change", "tenant", "change"),
    Index("directory_user_by_age", "tenant", "created_at", "id"),
)

directory_group = Table(
    "directory_group",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("external_id", Text),
    Column("version", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Index("directory_group_by_name", "tenant", "name_key", unique=True),
    Index("directory_group_by_external_id", "tenant", "external_id"),
    Index("directory_group_by_age", "tenant", "created_at", "id"),
)

directory_member = Table(
    "directory_member",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("group_id", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    ForeignKeyConstraint(
        ["tenant", "group_id"],
        ["directory_group.tenant", "directory_group.id"],
        ondelete="CASCADE",
    ),
    ForeignKeyConstraint(
        ["tenant", "user_id"],
        ["directory_user.tenant", "directory_user.id"],
        ondelete="CASCADE",
    ),
    Index("directory_member_by_user", "tenant", "user_id"),
)

# When somebody was last put out: what vouched for them before that vouches no more.
directory_end = Table(
    "directory_end",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("at", Double, nullable=False),
    Column("change", BigInteger, nullable=False),
    Index("directory_end_by_change", "tenant", "change"),
)
