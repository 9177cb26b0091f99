"""What stands for people and conversations towards a vendor: hashes, which say nothing else."""

import hashlib


def safety_id(tenant: str, user_id: str | None) -> str | None:
    """What stands for the end user towards a vendor: a hash, so that it says nothing else."""
    return None if user_id is None else _hash(tenant, user_id)


def thread_key(tenant: str, user_id: str | None, conversation_id: str) -> str:
    """What stands for a conversation towards a platform that remembers it: a hash as well."""
    return _hash(tenant, user_id or "", conversation_id)


def _hash(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
