"""The savings report as it is published: what each figure of it says."""

from pydantic import BaseModel


class BaselineBody(BaseModel):
    """What `compared` answers would have cost in one other way, against what they did cost.

    `usd` is an estimate. `saved_usd` is it less `actual_usd`, and below 0 where routing cost
    more. The intervals hold the share and the sum with 95 % confidence, null where there is
    too little to tell, and in groups. Left out are `unknown` answers for want of a price,
    and `unfit` ones that the target could not have given. `target` is the one for all.
    """

    target: str | None
    usd: float | None
    actual_usd: float | None
    saved_usd: float | None
    saved_share: float | None
    ci95: tuple[float, float] | None
    saved_usd_ci95: tuple[float, float] | None
    compared: int
    unknown: int
    unfit: int


class BaselinesBody(BaseModel):
    """The other ways to have answered.

    They are the configured default; the best and the cheapest target, one for all answers of
    the period; for each answer the cheapest that met what its caller insisted on; and any of
    those at random.
    """

    default: BaselineBody
    best_single: BaselineBody
    cheapest_single: BaselineBody
    cheapest_each: BaselineBody
    random: BaselineBody


class SavingsGroup(BaseModel):
    """The answers of one platform, strategy or day; the figures are those of the report."""

    key: str
    answers: int
    failed: int
    fixed: int
    unpriced: int
    actual_usd: float
    baselines: BaselinesBody


class SavingsReport(BaseModel):
    """Of real answers, or of simulated ones.

    `actual_usd` is what all attempts cost: of `answers`, and of `failed`, which are money spent
    without an answer. `fixed` are those whose caller named the platform or the model, of all:
    they are compared with nothing. Of `unpriced` the cost is unknown, and not in any sum.
    """

    simulated: bool
    answers: int
    failed: int
    fixed: int
    unpriced: int
    actual_usd: float
    baselines: BaselinesBody
    by: list[SavingsGroup]


class SavingsBody(BaseModel):
    """What routing saved from `since` until `until`; empty where nothing was answered."""

    since: str
    until: str
    reports: list[SavingsReport]
