"""One row of the status: everything an operator asks for, null where unknown, and no secret."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import cast

import orjson

from deployments.ingress.platform_status import Listed, row_of
from deployments.ingress.retirement import Retirement
from deployments.ingress.status_schema import PlatformStatus
from deployments.platforms.models import ListedModel, Offer
from routing.capability import Capability
from routing.exchange import RateLimit
from routing.message import JsonObject
from routing.money import Price, Tier
from routing.platform_profile import PlatformProfile
from routing.scorecard import Scorecard, Snapshot

NOW = 1_795_348_800.0  # 2026-11-22T12:00:00Z
CARD = Scorecard("openai/gpt-5")
PROFILE = PlatformProfile(
    name="openai",
    model="gpt-5",
    capabilities=frozenset({Capability.VISION, Capability.STREAMING}),
    context_window=400_000,
    max_output_tokens=4_000,
    regions=frozenset({"us", "eu"}),
    quality=0.74,
    prior_latency_ms=900.0,
    price=None,
)
LISTED = Listed("openai", "", (PROFILE,))
NOTHING = Offer()


def shown(
    listed: Listed = LISTED,
    card: Scorecard = CARD,
    offer: Offer = NOTHING,
    retirement: Retirement | None = None,
) -> JsonObject:
    """The row as it is sent, which the published schema takes without changing a thing."""
    snapshot = Snapshot(1, "us", NOW, {card.target: card})
    row = row_of(listed, snapshot, offer, retirement, NOW)
    sent = orjson.loads(orjson.dumps(row))
    assert PlatformStatus.model_validate(sent).model_dump(mode="json") == sent
    return row


def test_a_platform_nothing_is_known_of_has_nulls_and_no_zeros() -> None:
    row = shown()
    unknown = (
        "models", "models_as_of", "models_unknown_since", "models_detail",
        "retirement", "rate_limits", "prices",
    )  # fmt: skip
    assert {name: row[name] for name in unknown} == dict.fromkeys(unknown)


def test_a_disabled_platform_has_a_row_all_the_same() -> None:
    row = shown(Listed("azure_openai", "AZURE_OPENAI_KEY not set", ()))
    assert (row["state"], row["detail"]) == ("disabled", "AZURE_OPENAI_KEY not set")
    abilities = ("regions", "capabilities", "context_window", "max_output_tokens", "quality")
    assert {name: row[name] for name in abilities} == dict.fromkeys(abilities)


def test_what_a_platform_can_do_is_shown_in_an_order_that_stays() -> None:
    row = shown()
    assert (row["regions"], row["capabilities"]) == (["eu", "us"], ["streaming", "vision"])
    assert (row["context_window"], row["max_output_tokens"]) == (400_000, 4_000)


def test_the_models_are_shown_with_their_dates_and_the_moment_they_were_heard() -> None:
    models = (ListedModel("gpt-5", date(2026, 12, 11), date(2026, 9, 1), 400_000),)
    row = shown(offer=Offer(models, NOW - 60, NOW - 30, "overloaded: try later"))
    assert row["models"] == [
        {
            "id": "gpt-5",
            "retires_at": "2026-12-11",
            "deprecated_at": "2026-09-01",
            "context_window": 400_000,
        }
    ]
    assert row["models_as_of"] == "2026-11-22T11:59:00.000Z"
    assert row["models_unknown_since"] == "2026-11-22T11:59:30.000Z"
    assert row["models_detail"] == "overloaded: try later"


def test_a_platform_without_a_list_offers_none_and_that_is_not_unknown() -> None:
    assert shown(offer=Offer((), NOW))["models"] == []


def test_a_retirement_is_shown_whole() -> None:
    end = Retirement("gpt-5", date(2026, 12, 11), 19, "platform", "gpt-5 will … instead")
    assert shown(retirement=end)["retirement"] == {
        "model": "gpt-5",
        "retires_at": "2026-12-11",
        "days_left": 19,
        "source": "platform",
        "warning": "gpt-5 will … instead",
    }


def test_headroom_is_shown_with_its_moment() -> None:
    card = replace(CARD, rate_limit=RateLimit(NOW - 1, 9, 10, None, None, NOW + 59))
    assert shown(card=card)["rate_limits"] == {
        "as_of": "2026-11-22T11:59:59.000Z",
        "remaining_requests": 9,
        "limit_requests": 10,
        "remaining_tokens": None,
        "limit_tokens": None,
        "resets_at": "2026-11-22T12:00:59.000Z",
    }


def test_prices_are_shown_with_every_tier_and_where_they_come_from() -> None:
    dearer = Tier(Decimal(4), Decimal("15.5"), above_input_tokens=272_000)
    price = Price(
        Decimal(2), Decimal(10), cache_read=Decimal("0.1"), source="a list", tiers=(dearer,)
    )
    assert shown(replace(LISTED, profiles=(replace(PROFILE, price=price),)))["prices"] == {
        "input": 2.0,
        "output": 10.0,
        "cache_read": 0.1,
        "cache_write": None,
        "long_cache_write": None,
        "per_call": 0.0,
        "tiers": [
            {
                "service_tier": "standard",
                "above_input_tokens": 272_000,
                "input": 4.0,
                "output": 15.5,
                "cache_read": None,
                "cache_write": None,
                "long_cache_write": None,
            }
        ],
        "estimated": False,
        "agreed": False,
        "source": "a list",
    }


def test_only_options_that_are_no_secret_are_shown() -> None:
    """A new option is hidden until somebody has decided that it may be seen."""
    told = {
        "deployment": "support-eu",
        "api": "v1",
        "bot_id": "b-1",
        "token_endpoint": "https://bots.example.com/token?secret=1",
        "something_new": "who knows",
    }
    address = "https://gateway.example.com/v1?key=hidden#hidden"
    row = shown(Listed("openai", "", (PROFILE,), told, address))
    assert row["options"] == {
        "deployment": "support-eu",
        "api": "v1",
        "bot_id": "b-1",
        "base_url": "https://gateway.example.com/v1",
    }


def test_bills_over_what_was_reckoned_with_are_shown_of_each_model() -> None:
    """The promise of a cost rests on what vendors are believed to add; here is where that is wrong."""
    targets = shown(card=replace(CARD, bills_over_bound=3))["targets"]
    assert [target["bills_over_bound"] for target in cast("list[JsonObject]", targets)] == [3]
