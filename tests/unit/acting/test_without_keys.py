"""Where a tenant's keys cannot be had no platform is asked: what it said could not be kept."""

from pathlib import Path

import pytest

from actors.database.errors import KeysUnavailable
from deployments.ingress import problem
from routing.clock import ManualClock
from tests.unit.acting.world import acting, says
from tests.unit.agent.worlds import Scripted
from tests.unit.sealing.keyed import LocalProvider, ring_over

pytestmark = pytest.mark.anyio


async def test_nobody_is_asked_for_an_answer_that_could_not_be_kept(tmp_path: Path) -> None:
    model, provider = Scripted([says("Hello.")]), LocalProvider()
    async with acting(tmp_path, {"openai": model}) as world:
        episodes = world.agent._episodes
        ring = ring_over(world.desk.database, provider, ManualClock())
        world.desk.database.sealing = episodes._sealing = ring
        provider.refuses = True
        with pytest.raises(KeysUnavailable) as refused:
            await world.ask("Hello")
        assert not model.asked
        answer = problem.response(refused.value)
        assert answer.status_code == 503
        assert b"keys_unavailable" in bytes(answer.body)
        assert int(answer.headers["Retry-After"]) > 0
        provider.refuses = False
        assert (await world.ask("Hello")).reply.text == "Hello."
