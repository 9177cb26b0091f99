"""A limit as responses tell it: draft-ietf-httpapi-ratelimit-headers-11, one policy, the nearest.

`q` units at once come back within `w` seconds; `r` are left, and after `t` seconds all are there
again, or of a refusal what was refused.
"""

import math
from collections.abc import Mapping

from deployments.security.errors import RateLimited
from deployments.security.limit_account import Standing
from routing.budget import DAY_S
from routing.gcra import Rate

RATE_LIMIT, RATE_LIMIT_POLICY = "ratelimit", "ratelimit-policy"


def headers_of(standing: Standing) -> Mapping[str, str]:
    """The two fields."""
    demand, rate = standing.demand, standing.demand.rate
    left, window_s = max(0, int(standing.room)), _window_s(rate)
    again_s = standing.wait_s
    if again_s == 0.0 and rate.per_s > 0:
        again_s = max(0.0, rate.burst - standing.room) / rate.per_s
    name, quota = demand.name, int(rate.burst)
    return {
        RATE_LIMIT: f'"{name}";r={left};t={math.ceil(min(again_s, window_s))}',
        RATE_LIMIT_POLICY: f'"{name}";q={quota};w={math.ceil(window_s)}',
    }


def refused(standing: Standing, detail: str) -> RateLimited:
    """The refusal that says so. A wait without end lasts as long as the window."""
    wait_s = min(standing.wait_s, _window_s(standing.demand.rate))
    return RateLimited(detail, wait_s, headers_of(standing))


def _window_s(rate: Rate) -> float:
    return rate.burst / rate.per_s if rate.per_s > 0 else float(DAY_S)
