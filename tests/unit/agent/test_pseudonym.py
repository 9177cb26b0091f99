"""What vendors are told in the place of people's and conversations' names."""

import hashlib
import hmac

import pytest
from typing_extensions import override

from actors.database.errors import KeysUnavailable
from deployments.agent.pseudonym import Pseudonyms
from tests.fixed_keys import FixedKeys

NAMED = Pseudonyms(FixedKeys())


class OtherKeys(FixedKeys):
    """Another installation's."""

    @override
    def derive(self, tenant: str, purpose: str) -> bytes:
        return super().derive(f"other {tenant}", purpose)


class Away(FixedKeys):
    """Nobody answers who would unwrap them."""

    @override
    async def ready(self, tenant: str) -> None:
        raise KeysUnavailable("the provider did not answer")


async def test_whoever_guesses_a_name_has_nothing_to_check_the_guess_with() -> None:
    """No hash of what stands in a request is what is told, and in another installation it is another."""
    told = await NAMED.safety_id("acme", "user_7421356")
    assert told is not None
    names = (b"user_7421356", b"acme\0user_7421356", b"acme user_7421356", b"acme:user_7421356")
    for name in names:
        assert told not in {
            hashlib.blake2b(name, digest_size=16).hexdigest(),
            hashlib.sha256(name).hexdigest()[:32],
            hmac.digest(b"", name, "sha256").hex()[:32],
        }
    assert told != await Pseudonyms(OtherKeys()).safety_id("acme", "user_7421356")
    assert told != await NAMED.safety_id("rival", "user_7421356")


async def test_a_person_and_a_conversation_are_called_the_same_in_every_replica() -> None:
    """A vendor that keeps the conversation finds it again, after a restart too."""
    another = Pseudonyms(FixedKeys())
    assert await NAMED.safety_id("acme", "ann") == await another.safety_id("acme", "ann")
    thread = await NAMED.thread_key("acme", "ann", "conv_1")
    assert thread == await another.thread_key("acme", "ann", "conv_1")
    assert len(thread) == 32


async def test_no_two_people_or_conversations_are_called_alike() -> None:
    asked = [("ann", "conv_1"), ("ann", "conv_2"), ("bob", "conv_1"), (None, "conv_1")]
    asked += [("ann\0conv", "1"), ("ann", "conv\0001"), ("\ud800", "conv_1")]
    told = {await NAMED.thread_key("acme", *one) for one in asked}
    told |= {str(await NAMED.safety_id("acme", user)) for user in ("ann", "bob", "ann\0conv_1")}
    assert len(told) == len(asked) + 3


async def test_without_keys_nobody_is_named_and_where_nobody_is_none_are_asked_for() -> None:
    """A name that stands for nobody would lose the conversation at whoever keeps it."""
    away = Pseudonyms(Away())
    assert await away.safety_id("acme", None) is None
    with pytest.raises(KeysUnavailable):
        await away.safety_id("acme", "ann")
    with pytest.raises(KeysUnavailable):
        await away.thread_key("acme", None, "conv_1")
