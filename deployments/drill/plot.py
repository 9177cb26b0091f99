"""The picture as a PNG, by matplotlib: an extra, loaded only when a PNG is asked for."""

from pathlib import Path

from config.extras import install
from deployments.drill.picture import Picture, said_time
from routing.errors import ConfigError

_INCHES = (9.6, 4.4)
_DOTS_PER_INCH = 100


def write_png(made: Picture, path: Path) -> None:
    """Draw it.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        message = f"a PNG needs matplotlib, the HTML needs nothing; {install('plots')}"
        raise ConfigError("drill", None, "--png", message) from None
    figure = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)  # no pyplot: it would look for a screen
    axes, lanes = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    bars = [made.bar_s * (index + 0.5) for index in range(len(made.counts[0]))]
    below = [0] * len(bars)
    for name, counts in zip(made.names, made.counts, strict=True):
        axes.bar(bars, counts, made.bar_s * 0.86, below, color=made.colour(name), label=name)
        below = [low + count for low, count in zip(below, counts, strict=True)]
    for begin, end in sorted({span[:2] for lane in made.shades for span in lane}):
        axes.axvspan(begin, end, color="#888888", alpha=0.13, linewidth=0)
    axes.set_title(made.title, loc="left")
    axes.set_ylabel(f"questions in {made.bar_s:.3g} s")
    axes.legend(loc="upper center", ncols=len(made.names), fontsize="small", frameon=False)
    axes.set_ylim(0, made.highest * 1.2)
    for row, lane in enumerate(made.shades):
        for begin, end, kind in lane:
            lanes.barh(row, end - begin, left=begin, color=made.colour("nobody"), alpha=0.75)
            lanes.text(begin, row, f" {kind}", va="center", fontsize="x-small")
    lanes.set_yticks(range(len(made.shades)), made.names[:-1], fontsize="small")
    lanes.invert_yaxis()
    lanes.set_xlim(0, made.seconds)
    ticks = [made.seconds * tick / 6 for tick in range(7)]
    lanes.set_xticks(ticks, [said_time(second) for second in ticks])
    figure.savefig(path, format="png", metadata={"Software": None})
