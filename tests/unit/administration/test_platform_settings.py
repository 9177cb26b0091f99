"""Settings of platforms changed while they are in use: checked as the files are, versioned, and put back."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from actors.database.platform_settings import PlatformSettingsStore, SettingsVersion, Taken
from deployments.platforms.settings_watch import PLATFORM, SettingsWatch
from routing.clock import SystemClock
from tests.unit.administration.office import FILE, PATH, Office, office

CANARY = "sk-canary-51c7d09be2aa4410"


def model(desk: Office) -> str:
    """What a decision would find now."""
    return desk.desk.catalogs.at(SystemClock().now()).of("openai")[0].model


async def test_a_change_is_a_version_with_its_difference_and_holds_when_it_is_answered(
    tmp_path: Path,
) -> None:
    """Also after the office has closed and another has opened."""
    async with office(tmp_path) as desk:
        assert model(desk) == "gpt-6.1-terra"
        made = await desk.configure(platform="openai", changes={"model": "gpt-6-luna"})
        assert (made["version"], made["in_force"], made["waiting_for"]) == (1, True, [])
        expected = {"before": "gpt-6.1-terra", "after": "gpt-6-luna"}
        assert made["diff"] == [{"key": "platforms.openai.model", **expected}]
        assert (model(desk), desk.desk.listing.version) == ("gpt-6-luna", 1)
        price = {"input": 0.1, "output": 2.5}
        made = await desk.configure(
            platform="openai", changes={"price_override": price, "timeout_s": 30}
        )
        assert made["version"] == 2
        assert {row["key"].rpartition(".")[2] for row in made["diff"]} == {
            "price_override",
            "timeout_s",
        }
    async with office(tmp_path) as desk:
        assert (model(desk), desk.desk.listing.version) == ("gpt-6-luna", 2)
        profile = desk.desk.catalogs.at(0.0).of("openai")[0]
        assert profile.price is not None
        assert str(profile.price.input) == "0.1"


async def test_null_puts_a_key_back_and_a_version_can_be_put_back_whole(tmp_path: Path) -> None:
    """Each by a new version: nothing is ever taken out of the history."""
    async with office(tmp_path) as desk:
        await desk.configure(platform="openai", changes={"model": "gpt-6-luna", "timeout_s": 20})
        await desk.configure(platform="anthropic", changes={"enabled": False})
        await desk.configure(platform="openai", changes={"model": None})
        assert model(desk) == "gpt-6.1-terra"
        back = await desk.configure(restore=1)
        assert (back["version"], model(desk)) == (4, "gpt-6-luna")
        assert {row["key"] for row in back["diff"]} == {
            "platforms.openai.model",
            "platforms.anthropic.enabled",
        }
        assert (await desk.configure(restore=0))["version"] == 5
        assert model(desk) == "gpt-6.1-terra"
        status, shown = await desk.ask("GET", f"{PATH}?limit=2")
        assert status == 200
        assert [row["version"] for row in shown["history"]] == [5, 4]
        assert [row["restored"] for row in shown["history"]] == [0, 1]
        assert shown["history"][0]["by"] == "key:admin"
        _, rest = await desk.ask("GET", f"{PATH}?limit=100&before={shown['next']}")
        assert [row["version"] for row in rest["history"]] == [3, 2, 1]
        assert rest["next"] is None


async def test_a_dry_run_says_the_same_and_writes_nothing(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        change: dict[str, Any] = {"platform": "openai", "changes": {"model": "gpt-6-luna"}}
        dry = await desk.configure(**change, dry_run=True)
        assert (dry["version"], dry["in_force"], dry["dry_run"]) == (1, False, True)
        assert await desk.desk.store.number() == 0
        assert model(desk) == "gpt-6.1-terra"
        made = await desk.configure(**change)
        assert made["diff"] == dry["diff"]
        again = await desk.configure(**change)
        assert (again["version"], again["diff"]) == (1, [])


async def test_of_two_who_looked_at_the_same_version_one_is_told_to_look_again(
    tmp_path: Path,
) -> None:
    """With `expected_version`, and also where both were under way at once without it."""
    async with office(tmp_path) as desk:
        await desk.configure(platform="openai", changes={"timeout_s": 20}, expected_version=0)
        said = await desk.refused(
            409, platform="openai", changes={"timeout_s": 30}, expected_version=0
        )
        assert "version 1" in said
        bodies = [{"platform": "openai", "changes": {"timeout_s": s}} for s in range(40, 45)]
        answers = await asyncio.gather(*(desk.ask("POST", PATH, body) for body in bodies))
        statuses = [status for status, _ in answers]
        assert set(statuses) <= {200, 409}
        assert await desk.desk.store.number() == 1 + statuses.count(200)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"timeout_s": "soon"},
            "platforms.openai.timeout_s: 'soon' is written, but expected a num",
        ),
        ({"timeout_s": 0}, "platforms.openai.timeout_s"),
        (
            {"timeout_s": "-1"},
            "platforms.openai.timeout_s: '-1' is written, but expected more than 0",
        ),
        ({"timeout_s": "-.5e2"}, "platforms.openai.timeout_s: '-.5e2' is written, but expected"),
        ({"model": "-" + "7" * 33}, "is the name of a model"),
        ({"max_tokens": 900_000}, "answers 128000 tokens at most"),
        ({"models": [{"model": "gpt-6-luna", "max_tokens": 0}]}, "models[0].max_tokens"),
        ({"price_override": {"input": 1}}, "price_override.output: is missing"),
        ({"temperature_s": 1}, "is not changed while it runs; possible here: enabled"),
        ({"api_key": "x"}, "or with which key"),
        ({"base_url": "https://evil.example.com"}, "says who is asked"),
        ({"auth": "workload_identity"}, "says who is asked"),
        ({"simulated": True}, "is decided when the service starts"),
        ({"replicas": {"max": 9}}, "is decided when the service starts"),
        ({"hosted_mcp": True}, "is decided when the service starts"),
        ({"model": "../../admin"}, "is the name of a model"),
        ({"model": "${OPENAI_API_KEY}"}, "is the name of a model"),
        ({"model": CANARY}, "is the name of a model"),
        ({"models": [CANARY]}, "is the name of a model"),
        ({"model": "a" * 40}, "is the name of a model"),
        ({"regions": ["0123456789abcdef"]}, "A credential of azure_openai"),
    ],
)
async def test_what_would_stop_a_start_or_is_not_to_be_changed_is_refused_with_its_key(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    """And leaves nothing behind, whatever it was."""
    async with office(tmp_path) as desk:
        detail = await desk.refused(422, platform="openai", changes=changes)
        assert said in detail
        assert "${" not in detail
        assert CANARY not in detail
        assert await desk.desk.store.number() == 0
    assert CANARY.encode() not in (tmp_path / "office.sqlite").read_bytes()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"platform": "openai"},
        {"changes": {"model": "gpt-6-luna"}},
        {"restore": 1, "platform": "openai", "changes": {"model": "gpt-6-luna"}},
        {"restore": 0, "platform": "openai"},
        {"platform": "opnai", "changes": {"model": "gpt-6-luna"}},
        {"platform": "openai", "changes": {}},
        {"platform": "openai", "changes": {"Model": "x"}},
    ],
)
async def test_a_body_that_says_neither_or_both_is_refused(
    tmp_path: Path, body: dict[str, object]
) -> None:
    async with office(tmp_path) as desk:
        assert (await desk.ask("POST", PATH, body))[0] == 422
        assert (await desk.ask("POST", PATH, {"restore": 7}))[0] == 404


async def test_an_administrator_of_another_tenant_and_another_role_are_refused(
    tmp_path: Path,
) -> None:
    """The platforms are everybody's: what one tenant's administrator may do ends with the tenant."""
    async with office(tmp_path) as desk:
        body = {"platform": "openai", "changes": {"enabled": False}}
        for who in ("admin@acme", "admin@", "supervisor@northwind", "region@northwind"):
            assert (await desk.ask("POST", PATH, body, who))[0] == 403
            assert (await desk.ask("GET", PATH, who=who))[0] == 403
        assert await desk.desk.store.number() == 0


async def test_a_platform_is_not_switched_off_while_an_assistant_names_it(tmp_path: Path) -> None:
    """And one that routing merely prefers is, with a word about it."""
    async with office(tmp_path) as desk:
        said = await desk.refused(422, platform="azure_openai", changes={"enabled": False})
        assert "the assistant clerk names azure_openai" in said
        made = await desk.configure(platform="anthropic", changes={"enabled": False})
        assert made["warnings"] == ["routing.fallback_platforms: anthropic is off and left out"]
        assert desk.desk.catalogs.at(SystemClock().now()).platforms == ("openai", "azure_openai")


async def test_a_platform_without_a_process_is_not_switched_on(tmp_path: Path) -> None:
    """It was off at the start: no deployment was made, and none is made on the quiet."""
    text = FILE.replace("  anthropic:\n", "  anthropic:\n    enabled: false\n")
    async with office(tmp_path, text=text, reachable=("openai", "azure_openai")) as desk:
        said = await desk.refused(422, platform="anthropic", changes={"enabled": True})
        assert "it was off when the service started" in said
        await desk.configure(platform="openai", changes={"timeout_s": 20})


async def test_credentials_are_shown_to_nobody(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        status, shown = await desk.ask("GET", PATH)
        assert status == 200
        assert "of-the-file" not in str(shown)
        assert "example.openai.azure.com" not in str(shown)
        for query in ("limit=0", "limit=101", "before=x", "what=1", "before=0"):
            assert (await desk.ask("GET", f"{PATH}?{query}"))[0] == 422


async def test_an_answer_names_the_process_that_is_not_there_yet(tmp_path: Path) -> None:
    """A process says which version it works with; one that is silent is waited for, and then told of."""
    async with office(tmp_path) as desk:
        lame = Taken("platform openai-1", "platform openai", 0, "")
        await desk.desk.store.take(lame, SystemClock().now())
        made = await desk.configure(platform="openai", changes={"timeout_s": 20})
        assert made["in_force"] is False
        assert [row["process"] for row in made["waiting_for"]] == ["platform openai-1"]
        await desk.desk.store.leave("platform openai-1")
        _, shown = await desk.ask("GET", PATH)
        assert (shown["in_force"], shown["waiting_for"]) == (True, [])


async def test_a_platforms_process_goes_ahead_of_those_that_ask_it(tmp_path: Path) -> None:
    """So nobody asks for a model before it is known how to reach it."""
    order: list[str] = []
    async with office(tmp_path) as desk:
        store = desk.desk.store
        assert isinstance(store, PlatformSettingsStore)

        async def take(version: SettingsVersion) -> str:
            order.append(f"platform {desk.desk.listing.version}")
            return ""

        watch = SettingsWatch(store, f"{PLATFORM} openai", take, SystemClock())
        watch.start(0)
        try:
            made = await desk.configure(platform="openai", changes={"timeout_s": 20})
        finally:
            await watch.aclose()
        assert made["in_force"] is True
        assert order == ["platform 0"], "the ingress had taken it first"


async def test_a_platform_whose_changes_fit_the_files_no_more_is_off_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    """What was changed may have been what made it safe to use: nobody guesses."""
    async with office(tmp_path) as desk:
        await desk.configure(platform="openai", changes={"max_tokens": 100_000})
        await desk.configure(platform="anthropic", changes={"timeout_s": 20})
    edited = FILE.replace("gpt-6.1-terra", "gpt-4.1")
    async with office(tmp_path, text=edited) as desk:
        catalog = desk.desk.catalogs.at(SystemClock().now())
        assert catalog.platforms == ("anthropic", "azure_openai")
        async with asyncio.timeout(10):
            while (shown := (await desk.ask("GET", PATH))[1])["in_force"]:  # noqa: ASYNC110  told soon
                await asyncio.sleep(0.01)
        assert "max_tokens" in shown["waiting_for"][0]["detail"]
        await desk.configure(platform="openai", changes={"max_tokens": None})
        assert "openai" in desk.desk.catalogs.at(SystemClock().now()).platforms
