"""A budget kept on average: what a dollar must buy rises while answers cost more than planned.

Dual ascent on the price of money (Balseiro and Gur 2019, adaptive pacing). It keeps a mean,
over some thousand answers; what no single answer may exceed is `max_cost`'s affair.
"""

from dataclasses import dataclass

from routing.message import Json

STEP = 0.01
"""Of the price, for each answer that costs twice the target: within 1 % after 100 x price answers."""

SMOOTHING = 0.05
"""Weight of one answer in the running mean: about the last twenty count."""

PRICE_MAX = 20.0
"""Quality that one target's worth must buy, at most: a whole point for a twentieth of the target."""


@dataclass(slots=True)
class Pacer:
    """The running mean cost of an answer, and the price of money that follows from it.

    `price` is the quality, in points of 0..1, which as much money as the target must buy.
    """

    mean_usd: float | None = None
    price: float = 0.0

    def fold(self, cost_usd: float, target_usd: float, *, is_first: bool) -> None:
        """An attempt cost so much; `is_first` marks the first of its answer."""
        if self.mean_usd is None:
            self.mean_usd = target_usd
        gone = self.mean_usd if is_first else 0.0
        self.mean_usd += SMOOTHING * (cost_usd - gone)
        if is_first:
            step = STEP * (self.mean_usd / target_usd - 1)
            self.price = min(max(self.price + step, 0.0), PRICE_MAX)

    def to_json(self) -> Json:
        """For a checkpoint."""
        return {"mean_usd": self.mean_usd, "price": self.price}

    @classmethod
    def from_json(cls, plain: Json) -> "Pacer":
        """What `to_json` described.

        Raises:
            ValueError: it is not of this version.
        """
        match plain:
            case {"mean_usd": float() | int() | None as mean, "price": float() | int() as price}:
                return cls(mean, price)
            case _:
                raise ValueError("not a pacer")
