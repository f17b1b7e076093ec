"""Line charts as inline SVG that follows the page: text stays text, and colours are the page's CSS variables.

matplotlib draws (the optional extra [report]; MissingExtra where it is absent); `_inline` then makes its file fit to
stand inside HTML: no prolog, no metadata, no links, ids that are unique on the page. No pyplot, no global state.
"""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from trivium.base.errors import MissingExtra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 200  # of one line: more than a chart this wide can show
WIDTH, HEIGHT = 5.2, 3.3  # inches of 72 units: the page shows them near that size, so that letters stay readable

# Colours that stand for a CSS variable while matplotlib draws: any distinct ones do, nobody sees them.
COLOURS = {
    "grammar": "#010101",
    "logic": "#020202",
    "rhetoric": "#030303",
    "ink": "#040404",
    "soft": "#050505",
    "line": "#060606",
}
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 12,
    "text.parse_math": False,
    "path.simplify": False,
    "text.color": COLOURS["ink"],
    "axes.edgecolor": COLOURS["line"],
    "axes.labelcolor": COLOURS["soft"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": COLOURS["line"],
    "grid.linewidth": 0.8,
    "xtick.color": COLOURS["line"],
    "ytick.color": COLOURS["line"],
    "xtick.labelcolor": COLOURS["soft"],
    "ytick.labelcolor": COLOURS["soft"],
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
}
_DASHES = ((5.0, 4.0), (1.5, 2.5))
_STYLES: dict[str, dict[str, Any]] = {
    "line": {"linewidth": 2.2},
    "dashed": {"linewidth": 1.8, "linestyle": (0, (5.0, 3.0))},
    "dotted": {"linewidth": 1.8, "linestyle": (0, (1.2, 2.0))},
    "mixed": {"linewidth": 1.8, "linestyle": (0, (5.0, 2.0, 1.2, 2.0))},
    "faint": {"linewidth": 1.2, "alpha": 0.55},
    "dots": {"linewidth": 1.6, "marker": "o", "markersize": 4.5},
    "squares": {"linewidth": 1.6, "marker": "s", "markersize": 4.5},
    "triangles": {"linewidth": 1.6, "marker": "^", "markersize": 5.0},
    "diamonds": {"linewidth": 1.6, "marker": "D", "markersize": 4.0},
    "rings": {
        "linewidth": 1.2,
        "marker": "o",
        "markersize": 5.5,
        "markerfacecolor": "none",
        "linestyle": (0, (5.0, 2.0)),
    },
    "crosses": {"linewidth": 1.2, "marker": "x", "markersize": 5.0, "linestyle": (0, (1.5, 2.5))},
}


Style = Literal[
    "line", "dashed", "dotted", "mixed", "faint", "dots", "squares", "triangles", "diamonds", "rings", "crosses"
]


@dataclass(frozen=True)
class Series:
    """One line: `points` are (x, y), finite, x above 0; `colour` is a name of COLOURS; `label` is for the legend.
    `bands` are (low, high) of every point, where there are intervals to draw."""

    label: str
    points: tuple[tuple[float, float], ...]
    colour: str
    style: Style = "line"
    bands: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Reference:
    """A dashed level line with its name, such as a ceiling."""

    label: str
    value: float


def thin(points: Sequence[tuple[float, float]], most: int = MOST_POINTS) -> tuple[tuple[float, float], ...]:
    """At most `most` points: means over equal stretches, the last point kept as it is."""
    if len(points) <= most:
        return tuple(points)
    stretch = math.ceil(len(points) / (most - 1))
    groups = [points[start : start + stretch] for start in range(0, len(points) - 1, stretch)]
    means = [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]
    return (*means, points[-1])


def line_chart(
    name: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    levels: Sequence[Reference] = (),
    share: bool | Literal["whole"] = False,
    marked: Sequence[float] = (),
) -> str:
    """An `<svg>` element. `name` makes its ids unique on the page; a `share` is told in percent, a 'whole' one from 0 to 100;
    with `marked` places the x axis is logarithmic and has its numbers there.

    Raises MissingExtra without matplotlib.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", "report", "drawing the report's charts") from None
    with matplotlib.rc_context({**_SETTINGS, "svg.hashsalt": name}):
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        for line in series:
            xs, ys = zip(*thin(line.points), strict=True)
            axes.plot(xs, ys, color=COLOURS[line.colour], label=line.label, **_STYLES[line.style])
            if line.bands:
                lows, highs = zip(*line.bands, strict=True)
                axes.vlines(
                    [x for x, _ in line.points], lows, highs, color=COLOURS[line.colour], linewidth=1.4, alpha=0.6
                )
        for level, dashes in zip(levels, itertools.cycle(_DASHES), strict=False):
            axes.axhline(level.value, color=COLOURS["soft"], linewidth=1.4, linestyle=(0, dashes), label=level.label)
        axes.set_xlim(0, 1.02 * max(line.points[-1][0] for line in series))
        _dress(axes, x_label, y_label, share=bool(share))
        if share == "whole":
            axes.set_ylim(0.0, 1.03)
        if marked:
            _mark(axes, marked, [x for line in series for x, _ in line.points])
        if len(series) + len(levels) > 1:
            figure.legend(loc="outside lower center", ncols=3, columnspacing=1.2)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return _inline(file.getvalue(), name)


def _dress(axes: Axes, x_label: str, y_label: str, *, share: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

    axes.set_xlabel(x_label)
    axes.set_title(y_label, loc="left", fontsize=12, color=COLOURS["soft"])  # beside the axis it would cost width
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.margins(y=0.08)
    if share:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _mark(axes: Axes, places: Sequence[float], drawn: Sequence[float]) -> None:
    """A logarithmic x axis with its numbers at these places, as wide as what is drawn."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    axes.set_xscale("log")
    axes.set_xlim(min(places[0], *drawn) / 1.2, max(places[-1], *drawn) * 1.2)
    axes.xaxis.set_major_locator(FixedLocator(list(places)))
    axes.xaxis.set_major_formatter(
        FixedFormatter([f"{place:,.0f}" if place >= 1 else f"{place:g}" for place in places])
    )
    axes.xaxis.set_minor_locator(NullLocator())


def _inline(svg: str, name: str) -> str:
    svg = svg[svg.index("<svg") :].replace("xlink:href", "href")
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|\sxmlns(:xlink)?=\"[^\"]*\"", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<svg[^>]*viewBox=\"([^\"]*)\"[^>]*>", r'<svg viewBox="\1" aria-hidden="true">', svg, count=1)
    svg = re.sub(r"\sid=\"([^\"]*)\"", rf' id="{name}-\1"', svg)
    svg = re.sub(r"href=\"#", f'href="#{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    for colour, sentinel in COLOURS.items():
        svg = svg.replace(sentinel, f"var(--{colour})")
    return re.sub(r"\n\s*", " ", svg)
