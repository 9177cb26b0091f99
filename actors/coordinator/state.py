"""The region's scoreboard: folds outcomes, publishes versioned snapshots. Pure; time is an argument."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial

from actors.coordinator.accounts import Accounts
from actors.coordinator.book import Book, day_of
from actors.coordinator.learning import Learning
from routing import breaker as breakers
from routing.breaker import Ailment, Breaker, BreakerPhase
from routing.message import JsonObject
from routing.outcome import Outcome
from routing.override import Override
from routing.platform_profile import platform_of, target_of
from routing.region import (
    FIGURES_AGE_S,
    MAX_TARGETS,
    Elsewhere,
    RegionFigures,
    elsewhere,
    merge,
)
from routing.scorecard import ANY_MODEL, Scorecard, Snapshot

# A replica that has not been heard of for this long is gone, and its requests with it:
# 20 missed reports.
REPLICA_SILENCE_S = 5.0
# Reading the sketches costs about a millisecond; replicas ask every 250 ms each.
_PUBLISH_EVERY_S = 0.1


class CoordinatorState:
    """Every target's book, every platform's account, and every replica's requests in flight."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._books: dict[str, Book] = {}
        self._accounts = Accounts()
        self._overrides: dict[str, Override] = {}
        self._in_flight: dict[str, tuple[float, Mapping[str, int]]] = {}
        self._counted: dict[str, Mapping[str, int]] = {}
        self._regions: dict[str, tuple[float, RegionFigures]] = {}
        self._elsewhere: Mapping[str, Elsewhere] = {}
        self._published = Snapshot.empty(region)
        self.learning = Learning()

    def fold(self, outcomes: Sequence[Outcome], now: float) -> None:
        """Learn from attempts that ended."""
        for outcome in outcomes:
            book = self._book(outcome.target)
            general = partial(self._general_times, outcome.platform, now)
            busy = sum(counts.get(outcome.target, 0) for _, counts in self._in_flight.values())
            book.fold(outcome, now, general, busy)
            self._accounts.fold(outcome, now)
            self.learning.pay(outcome)

    def use(self, credentials: Mapping[str, str]) -> None:
        """The fingerprints of the credentials that platforms are asked with; the last ones count."""
        self._accounts.use(credentials)

    def hear(self, replica: str, in_flight: Mapping[str, int], now: float) -> None:
        """A replica says how many requests it has under way; its last word counts."""
        self._in_flight[replica] = (now, in_flight)

    def counted(self, replica: str) -> Mapping[str, int]:
        """Which of the replica's requests in flight the last snapshot counts."""
        return self._counted.get(replica, {})

    def claim_probe(self, target: str, key: str, now: float) -> bool:
        """Whether the attempt `key` may be the one probe of each breaker that is not closed."""
        book, platform = self._book(target), platform_of(target)
        account = self._accounts.of(platform)
        closed = [
            (ailment, breaker)
            for ailment, breaker in [*book.breakers.items(), (Ailment.ACCOUNT, account)]
            if breaker.phase is not BreakerPhase.CLOSED
        ]
        for ailment, breaker in closed:
            claimed = breakers.claim_probe(breaker, key, now)
            if claimed is None:
                self._release(target, key, now)
                return False
            self._put(target, ailment, claimed)
        slow = book.pace.breaker
        if slow.phase is BreakerPhase.CLOSED:
            return True
        claimed = breakers.claim_probe(slow, key, now)
        if claimed is not None:
            book.pace.breaker = claimed
        # Who is slow may be asked at any time: its turn is no condition of another probe.
        return claimed is not None or bool(closed)

    def release_probe(self, target: str, key: str, now: float) -> None:
        """The attempt `key` was never sent: the next may be the probe."""
        self._release(target, key, now)

    def override(self, name: str, override: Override | None) -> None:
        """An administrator's word about a target or a whole platform; None takes it back."""
        if override is None:
            self._overrides.pop(name, None)
        else:
            self._overrides[name] = override

    def overrides(self, now: float) -> Mapping[str, Override]:
        """What administrators hold at `now`."""
        return {name: held for name, held in self._overrides.items() if held.until > now}

    def figures(self, now: float) -> RegionFigures:
        """What other regions may know of this one: numbers by target, nothing of anybody."""
        snapshot = self.snapshot(now)
        targets = {
            target: book.figures(now) for target, book in list(self._books.items())[:MAX_TARGETS]
        }
        return RegionFigures(self._region, snapshot.version, now, targets)

    def hear_region(self, figures: RegionFigures, now: float) -> None:
        """Another region's figures have come; believed where nothing was seen here, for a while.

        What is no newer than what is known leaves it to age: a region that lost its memory
        counts from one again, and is heard when its old figures are gone.
        """
        region = figures.region
        if region == self._region:
            return
        known = self._regions.get(region)
        if known is not None and now - known[0] <= FIGURES_AGE_S:
            newest = merge({region: known[1]}, {region: figures})[region]
            if newest is not figures:
                return
        self._regions[region] = (now, figures)
        self._weigh_regions(now)

    def restore_spend(self, spent: Mapping[str, Decimal], now: float) -> None:
        """Take today's spend by target from the ledger, which is the truth after a restart."""
        for target, usd in spent.items():
            book = self._book(target)
            book.day, book.spent_today = day_of(now), usd

    def snapshot(self, now: float) -> Snapshot:
        """The scoreboard under a version that grows; at most one new one in 100 ms."""
        if now - self._published.at < _PUBLISH_EVERY_S:
            return self._published
        self._in_flight = {
            replica: heard
            for replica, heard in self._in_flight.items()
            if now - heard[0] <= REPLICA_SILENCE_S
        }
        self._overrides = dict(self.overrides(now))
        self._counted = {replica: counts for replica, (_, counts) in self._in_flight.items()}
        if any(now - heard[0] > FIGURES_AGE_S for heard in self._regions.values()):
            self._weigh_regions(now)
        busy: dict[str, int] = {}
        for counts in self._counted.values():
            for target, count in counts.items():
                busy[target] = busy.get(target, 0) + count
        cards = {
            target: self._card(target, busy.get(target, 0), now)
            for target in sorted(
                {*self._books, *busy, *self._elsewhere, *self._known_by_account_only()}
            )
        }
        learned, last = self.learning.publish(), self._published
        if (cards, learned) != (last.scorecards, last.learned) or not last.version:
            self._published = Snapshot(last.version + 1, self._region, now, cards, learned=learned)
        return self._published

    def to_checkpoint(self) -> JsonObject:
        """All but the requests in flight, which the replicas tell anew."""
        return {
            "version": self._published.version,
            "books": {target: book.to_json() for target, book in self._books.items()},
            "accounts": self._accounts.to_json(),
            "overrides": {name: o.to_json() for name, o in self._overrides.items()},
            "pace": self.learning.pace_to_json(),
        }

    @classmethod
    def from_checkpoint(cls, region: str, plain: JsonObject) -> "CoordinatorState":
        """The state `to_checkpoint` described; its snapshots' versions go on from there.

        Raises:
            ValueError: it is not a checkpoint of this version.
        """
        state = cls(region)
        match plain:
            case {
                "version": int(version),
                "books": dict(books),
                "accounts": list(accounts),
                "overrides": dict(overrides),
                "pace": dict(pace),
            }:
                # What was published after the checkpoint is unknown: leave room for it.
                state._published = Snapshot(version + 1000, region, -math.inf)
                state._books = {target: Book.from_json(book) for target, book in books.items()}
                state._accounts = Accounts.from_json(accounts)
                state._overrides = {n: Override.from_json(o) for n, o in overrides.items()}
                state.learning.restore_pace(pace)
            case _:
                raise ValueError("not a coordinator's checkpoint")
        return state

    def _card(self, target: str, in_flight: int, now: float) -> Scorecard:
        platform = platform_of(target)
        account = self._accounts.of(platform)
        general = partial(self._general_times, platform, now)
        book = self._books.get(target, Book())
        card = book.scorecard(target, account, in_flight, now, general)
        borrowed = self._elsewhere.get(target)
        if borrowed is not None and card.latency_p95_ms is None:
            card = replace(
                card,
                latency_p50_ms=borrowed.p50_ms,
                latency_p95_ms=borrowed.p95_ms,
                latency_p99_ms=borrowed.p99_ms,
                is_borrowed=True,
            )
        override = self._overrides.get(target) or self._overrides.get(platform)
        if override is None:
            return card
        if override.phase is BreakerPhase.CLOSED:
            return replace(
                card,
                breaker=BreakerPhase.CLOSED,
                breaker_until=None,
                forced=True,
                slow_times=None,
                slow_until=None,
            )
        return replace(
            card, breaker=BreakerPhase.OPEN, breaker_until=override.until, ailment=None, forced=True
        )

    def _general_times(self, platform: str, now: float) -> float:
        """How many times the usual the best of the other platforms takes; 1 where nobody knows."""
        others = [
            times
            for target, book in self._books.items()
            if platform_of(target) != platform and (times := book.pace.times(now)) is not None
        ]
        return min(others, default=1.0)

    def _weigh_regions(self, now: float) -> None:
        """Forget the figures that are too old, and add the others up once."""
        self._regions = {
            region: heard
            for region, heard in self._regions.items()
            if now - heard[0] <= FIGURES_AGE_S
        }
        known = {region: figures for region, (_, figures) in self._regions.items()}
        self._elsewhere = elsewhere(known, self._region)

    def _known_by_account_only(self) -> list[str]:
        """A row for models not tried yet, of platforms whose account ails or which are overridden."""
        named = {platform_of(name) for name in self._overrides}
        return [target_of(n, ANY_MODEL) for n in self._accounts.ailing() | named] + [
            name for name in self._overrides if name != platform_of(name)
        ]

    def _put(self, target: str, ailment: Ailment, breaker: Breaker) -> None:
        if ailment is Ailment.ACCOUNT:
            self._accounts.put(platform_of(target), breaker)
        else:
            self._book(target).breakers[ailment] = breaker

    def _release(self, target: str, key: str, now: float) -> None:
        book, account = self._book(target), self._accounts.of(platform_of(target))
        for ailment, breaker in [*book.breakers.items(), (Ailment.ACCOUNT, account)]:
            self._put(target, ailment, breakers.release_probe(breaker, key, now))
        book.pace.breaker = breakers.release_probe(book.pace.breaker, key, now)

    def _book(self, target: str) -> Book:
        book = self._books.get(target)
        if book is None:
            book = self._books[target] = Book()
        return book
