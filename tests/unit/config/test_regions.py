"""The regions block: what it takes, and what it says about what cannot be meant."""

from pathlib import Path

import pytest

from config.loader import load_settings
from config.problems import ConfigErrors
from config.regions import RegionSettings, TenantHome

GOOD = """
regions:
  name: us
  peers:
    eu: {url: "https://eu.support.example.com/", api_key: "${EU_KEY}"}
  tenants:
    northwind: {home: us}
    acme: {home: eu, failover: true}
"""


def loaded(text: str, folder: Path) -> RegionSettings | None:
    path = folder / "regions.yaml"
    path.write_text(text)
    env = {"EU_KEY": "smk_0123456789"}
    return load_settings([path], env, "development").settings.regions


def test_without_the_block_there_are_no_regions(tmp_path: Path) -> None:
    """One machine is one region, and nobody is sent away."""
    assert loaded("routing: {strategy: latency}\n", tmp_path) is None


def test_homes_and_peers_are_read_and_keys_are_hidden(tmp_path: Path) -> None:
    """Failing over is off unless somebody allowed it."""
    regions = loaded(GOOD, tmp_path)
    assert regions is not None
    assert regions.tenants["northwind"] == TenantHome(home="us", failover=False)
    assert regions.tenants["acme"].failover
    assert regions.peers["eu"].url == "https://eu.support.example.com"
    assert "smk_" not in repr(regions)


@pytest.mark.parametrize(
    ("wrong", "right", "says"),
    [
        ("home: eu", "home: mars", "the home of acme is mars"),
        ("    eu:", "    us:", "which is this region"),
        ("name: us", "name: US East", "name"),
        ("failover: true", "failover: perhaps", "failover"),
        ("home: us", "hme: us", "hme"),
        ("https://eu", "ftp://eu", "url"),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path: Path, wrong: str, right: str, says: str) -> None:
    """With the line and the key, before the start."""
    with pytest.raises(ConfigErrors, match=says):
        loaded(GOOD.replace(wrong, right), tmp_path)


def test_budgets_of_tenants_that_are_not_named_are_at_home_in_the_first_region(
    tmp_path: Path,
) -> None:
    """The first of all in the alphabet, which every region finds alike; or the one that is named."""
    regions = loaded(GOOD, tmp_path)
    assert regions is not None
    homes = regions.budget_homes
    assert (homes.here, homes.away("anybody"), homes.away("northwind")) == ("us", "eu", None)
    assert homes.roaming == {"acme"}
    named = loaded(GOOD + "  budgets: {home: us, lease_s: 600}\n", tmp_path)
    assert named is not None
    assert named.budget_homes.away("anybody") is None
    assert named.budgets.lease_s == 600


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("{home: mars}", "budgets.home is mars"),
        ("{lease_s: 60}", "lease_s"),
        ("{lease_s: -1}", "lease_s"),
        ("{lease_s: 100000}", "lease_s"),
        ("{open: true}", "open"),
    ],
)
def test_leases_that_cannot_be_meant_are_named(tmp_path: Path, wrong: str, says: str) -> None:
    """There is no setting that lets a region spend what it does not hold."""
    with pytest.raises(ConfigErrors, match=says):
        loaded(GOOD + f"  budgets: {wrong}\n", tmp_path)
