"""Who answered when, with the faults shaded: the geometry, and the page that shows it. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from deployments.drill.faults import Fault, calendar_of
from deployments.drill.replay import Result

BARS = 120
"""Enough to see a breaker's ten seconds in ten minutes, few enough to be read."""

NOBODY = "nobody"
_RED = "#b3261e"
# Okabe and Ito's colours, which people who do not see all colours can tell apart.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#f0e442", "#d55e00")

_WIDTH, _HEIGHT, _LEFT, _TOP, _LANE = 960.0, 260.0, 150.0, 34.0, 22.0
_RIGHT = 20.0


@dataclass(frozen=True, slots=True)
class Picture:
    """Bars over time: `counts` has for each answerer, then for nobody, the questions of each bar.

    `shades` are, for each platform, the spans in which it was faulty and how. Times in seconds.
    """

    title: str
    seconds: float
    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    shades: tuple[tuple[tuple[float, float, str], ...], ...]

    @property
    def bar_s(self) -> float:
        """Seconds a bar stands for."""
        return self.seconds / BARS

    @property
    def highest(self) -> int:
        """Questions of the fullest bar."""
        return max((sum(bar) for bar in zip(*self.counts, strict=True)), default=0) or 1

    def colour(self, name: str) -> str:
        """The colour of an answerer."""
        return _RED if name == NOBODY else _COLOURS[self.names.index(name) % len(_COLOURS)]


def picture(
    title: str,
    results: Sequence[Result],
    platforms: Sequence[str],
    faults: Sequence[Fault],
    favourite: str,
) -> Picture:
    """The picture of a replay."""
    seconds = _rounded(max([result.second for result in results], default=0.0))
    names = (*platforms, NOBODY)
    counts = {name: [0] * BARS for name in names}
    for result in results:
        counts[result.by or NOBODY][min(int(result.second / seconds * BARS), BARS - 1)] += 1
    shades = tuple(
        tuple(
            (fault.from_s, min(fault.to_s, seconds), fault.kind)
            for fault in calendar_of(name, faults, favourite).faults
            if fault.from_s < seconds
        )
        for name in platforms
    )
    return Picture(title, seconds, names, tuple(tuple(counts[name]) for name in names), shades)


def _rounded(seconds: float) -> float:
    """Up to a whole minute, or a second where there are few, so that the axis can be read."""
    step_s = 60.0 if seconds > 120 else 1.0
    return max(math.ceil(seconds / step_s), 1) * step_s


def to_svg(made: Picture) -> str:
    """The picture as one SVG element."""
    lanes = len(made.shades)
    height = _TOP + _HEIGHT + 30 + lanes * _LANE + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {height:g}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(made.title)}</title>",
        f'<rect width="{_WIDTH:g}" height="{height:g}" fill="#fff"/>',
        *_legend(made),
        *_shading(made),
        *_bars(made),
        *_axis(made),
        *_lanes(made),
        "</svg>",
    ]
    return "\n".join(parts)


def to_html(made: Picture, summary: str, rows: Sequence[tuple[str, str, str]]) -> str:
    """A page of its own, with nothing to be fetched."""
    body = "\n".join(
        f"<tr><th>{escape(what)}</th><td>{escape(faulty)}</td><td>{escape(well)}</td></tr>"
        for what, faulty, well in rows
    )
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{escape(made.title)}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }}
th {{ text-align: left; font-weight: normal; white-space: pre }}
td {{ text-align: right; padding-left: 2rem; font-variant-numeric: tabular-nums }}
thead td {{ font-weight: bold }}
</style>
<h1>{escape(made.title)}</h1>
<p>{escape(summary)}</p>
{to_svg(made)}
<table>
<thead><tr><th></th><td>with the faults</td><td>without</td></tr></thead>
{body}
</table>
</html>
"""


def _x(made: Picture, second: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * second / made.seconds


def _legend(made: Picture) -> list[str]:
    parts: list[str] = []
    x = _LEFT
    for name in made.names:
        parts += [
            f'<rect x="{x:.1f}" y="10" width="11" height="11" fill="{made.colour(name)}"/>',
            f'<text x="{x + 16:.1f}" y="20">{escape(name)}</text>',
        ]
        x += 34 + 7 * len(name)
    return parts


def _shading(made: Picture) -> list[str]:
    spans = sorted({(begin, end) for lane in made.shades for begin, end, _ in lane})
    return [
        f'<rect x="{_x(made, begin):.1f}" y="{_TOP:g}" '
        f'width="{_x(made, end) - _x(made, begin):.1f}" height="{_HEIGHT:g}" '
        'fill="#888" fill-opacity="0.13"/>'
        for begin, end in spans
    ]


def _bars(made: Picture) -> list[str]:
    parts: list[str] = []
    width = (_WIDTH - _LEFT - _RIGHT) / BARS
    for bar in range(BARS):
        y = _TOP + _HEIGHT
        for name, counts in zip(made.names, made.counts, strict=True):
            if not counts[bar]:
                continue
            tall = _HEIGHT * counts[bar] / made.highest
            y -= tall
            parts.append(
                f'<rect x="{_LEFT + bar * width:.1f}" y="{y:.1f}" width="{width * 0.86:.1f}" '
                f'height="{tall:.1f}" fill="{made.colour(name)}"/>'
            )
    return parts


def _axis(made: Picture) -> list[str]:
    base = _TOP + _HEIGHT
    parts = [
        f'<line x1="{_LEFT:g}" y1="{base:g}" x2="{_WIDTH - _RIGHT:g}" y2="{base:g}" stroke="#333"/>',
        f'<text x="{_LEFT - 8:g}" y="{_TOP + 10:g}" text-anchor="end">{made.highest}</text>',
        f'<text x="{_LEFT - 8:g}" y="{base:g}" text-anchor="end">0</text>',
        f'<text x="{_LEFT - 8:g}" y="{_TOP + _HEIGHT / 2:g}" text-anchor="end">'
        f"questions in {made.bar_s:.3g} s</text>",
    ]
    for tick in range(7):
        second = made.seconds * tick / 6
        parts.append(
            f'<text x="{_x(made, second):.1f}" y="{base + 17:g}" text-anchor="middle">'
            f"{said_time(second)}</text>"
        )
    return parts


def _lanes(made: Picture) -> list[str]:
    parts: list[str] = []
    y = _TOP + _HEIGHT + 30
    for name, lane in zip(made.names, made.shades, strict=False):
        parts.append(
            f'<text x="{_LEFT - 8:g}" y="{y + 14:g}" text-anchor="end">{escape(name)}</text>'
            f'<line x1="{_LEFT:g}" y1="{y + 10:g}" x2="{_WIDTH - _RIGHT:g}" y2="{y + 10:g}" '
            'stroke="#ddd"/>'
        )
        for begin, end, kind in lane:
            x, wide = _x(made, begin), _x(made, end) - _x(made, begin)
            parts.append(
                f'<rect x="{x:.1f}" y="{y + 2:g}" width="{max(wide, 1.0):.1f}" height="16" '
                f'fill="{_RED}" fill-opacity="0.75"><title>{kind}</title></rect>'
            )
            # Where the word does not fit it is in the rectangle's title alone.
            if wide > 7 * len(kind):
                parts.append(f'<text x="{x + 4:.1f}" y="{y + 14:g}" fill="#fff">{kind}</text>')
        y += _LANE
    return parts


def said_time(second: float) -> str:
    """A second of the drill as people say it."""
    if second >= 2 * 86_400:
        return f"{second / 86_400:.0f} d"
    if second >= 2 * 3_600:
        return f"{second / 3_600:.1f} h"
    if second >= 120:
        return f"{int(second // 60)}:{int(second % 60):02d} min"
    return f"{second:.0f} s"
