"""The pictures of the report, each an inline SVG.

Matplotlib draws them in stand-in colours; `_svg` puts variables of the page's style sheet in their
place, so that a picture follows the light or dark mode of its reader.  Text stays text.
"""

import io
import re

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from skstruct.cli import _text

INK, MUTED, LINE, PAPER = "#010101", "#020202", "#030303", "#040404"
ARM_COLORS = tuple(f"#0505{index:02x}" for index in range(8))
_VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line", PAPER: "paper"} | {
    color: f"arm{index}" for index, color in enumerate(ARM_COLORS)
}
_STYLE = {
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 10,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "font.size": 10,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.color": LINE,
    "ytick.labelcolor": MUTED,
    "ytick.left": False,
}
WIDTH = 5.3  # inches of 72 px: narrow enough to be read on a phone


def arm_color(arms, name):
    return ARM_COLORS[list(arms).index(name) % len(ARM_COLORS)]


def best_of(trials):
    """The best trial: of those that may win if there are any; None if none has a score."""
    done = [trial for trial in trials if trial["score"] is not None]
    return max(done, key=lambda trial: (trial["contends"], trial["score"]), default=None)


def history(trials, arms, baseline, scoring):
    """Every score when it came, the best so far, and what knows nothing of the columns."""
    done = [trial for trial in trials if trial["score"] is not None]
    seconds = active_seconds(trials)
    unit, scale = ("minutes", 60.0) if max(seconds.values()) > 180 else ("seconds", 1.0)
    x = np.array([seconds[trial["number"]] for trial in done]) / scale
    y = np.array([trial["score"] for trial in done])
    low, high = _score_range(y)
    far = baseline < low - 0.5 * (high - low)  # then the axis is cut, or all scores would be one
    if not far:
        low, high = min(low, baseline), max(high, baseline)
    with _figure(3.3) as figure:
        upper, *lower = np.atleast_1d(
            figure.subplots(1 + far, height_ratios=(7, 1)[: 1 + far], sharex=True)
        )
        for name in arms:
            mine = np.array([trial["arm_name"] == name for trial in done], dtype=bool)
            below = mine & (y < low)
            color = arm_color(arms, name)
            upper.scatter(x[mine & ~below], y[mine & ~below], s=22, color=color, label=name)
            upper.scatter(x[below], np.full(below.sum(), low), s=22, marker="v", color=color)
        contends = [trial["contends"] for trial in done]
        best = np.maximum.accumulate(y[contends])
        upper.step(x[contends], best, where="post", color=INK, linewidth=1.6)
        upper.set_ylim(low - 0.04 * (high - low), high + 0.06 * (high - low))
        upper.set_xlim(0, 1.02 * x.max())
        upper.set_ylabel(scoring)
        for axes in lower:
            upper.spines["bottom"].set_visible(False)
            upper.tick_params(axis="x", bottom=False)
            axes.set_ylim(baseline - 1, baseline + 1)
            axes.set_yticks([baseline], [_text.number(baseline)])
        last = lower[0] if lower else upper
        _baseline(last, baseline)
        last.set_xlabel(f"{unit} of search")
        figure.legend(
            *upper.get_legend_handles_labels(),
            loc="outside upper left",
            ncols=min(len(arms), 4),
            handletextpad=0.1,
            columnspacing=1.2,
        )
        return _svg(figure, "history")


def _baseline(axes, score):
    axes.axhline(score, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.annotate(
        "baseline",
        (1, score),
        (0, 4),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        color=MUTED,
        fontsize=9,
    )


def budget(trials, arms, dropped):
    """Which arm each trial went to; a cross where the policy dropped an arm."""
    with _figure(0.65 + 0.31 * len(arms)) as figure:
        axes = figure.subplots()
        for row, name in enumerate(arms):
            mine = [trial for trial in trials if trial["arm_name"] == name]
            color = arm_color(arms, name)
            good = [t["number"] + 1 for t in mine if t["score"] is not None]
            bad = [t["number"] + 1 for t in mine if t["score"] is None]
            axes.scatter(good, [row] * len(good), s=26, marker="|", linewidth=2.4, color=color)
            axes.scatter(bad, [row] * len(bad), s=12, marker="o", facecolor="none", color=color)
            if dropped.get(name) is not None:
                axes.scatter(dropped[name], row, s=34, marker="x", linewidth=1.8, color=INK)
            best = best_of(mine)
            told = f"{len(mine)} trials, {_text.number(best['score'])}" if best else "no score"
            axes.annotate(
                told, (1.02, row), xycoords=("axes fraction", "data"), va="center", fontsize=8.5
            )
        axes.set_yticks(range(len(arms)), list(arms))
        axes.set_ylim(len(arms) - 0.5, -0.5)
        axes.tick_params(axis="y", labelcolor=INK)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlabel("trial")
        return _svg(figure, "budget")


def slices(trials, arms, name, scoring):
    """Score against each parameter of one arm."""
    done = [t for t in trials if t["arm_name"] == name and t["score"] is not None]
    names = [key for key in done[0]["params"] if len({repr(t["params"][key]) for t in done}) > 1]
    if not names:
        return None
    scores = np.array([trial["score"] for trial in done])
    best = done.index(best_of(done))
    low, high = _score_range(scores)
    n_columns = min(3, len(names))
    n_rows = -(-len(names) // n_columns)
    with _figure(0.35 + 1.6 * n_rows) as figure:
        grid = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False)
        for axes, key in zip(grid.flat, names, strict=False):
            values = [trial["params"][key] for trial in done]
            _slice(axes, values, scores, best, low, arm_color(arms, name))
            axes.set_xlabel(_text.short(key))
            axes.set_ylim(low - 0.06 * (high - low), high + 0.08 * (high - low))
        for axes in grid.flat[len(names) :]:
            axes.set_axis_off()
        for row in grid:
            row[0].set_ylabel(scoring)
        return _svg(figure, f"slices-{name}")


def _slice(axes, values, scores, best, low, color):
    x, ticks = _positions(values)
    y = np.maximum(scores, low)
    axes.scatter(x, y, s=16, color=color, alpha=0.75, linewidth=0)
    axes.scatter(x[best], y[best], s=60, facecolor="none", edgecolor=INK, linewidth=1.6)
    if ticks is not None:
        axes.set_xticks(range(len(ticks)), ticks)
        axes.set_xlim(-0.6, len(ticks) - 0.4)
        return
    whole = bool(np.all(x == np.round(x)))
    if x.min() > 0 and x.max() / x.min() > (100 if whole else 10):
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        if x.max() / x.min() < 1000:  # too few powers of ten for labels of their own
            ticks = np.geomspace(x.min(), x.max(), 3)
            axes.set_xticks(ticks, [f"{float(f'{tick:.2g}'):g}" for tick in ticks])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(3, integer=whole))


def _positions(values):
    """Where values lie on the axis, and its labels if they are no numbers."""
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        return np.array(values, dtype=float), None
    texts = [_text.number(value) for value in values]
    levels = sorted(set(texts))
    spread = np.linspace(-0.16, 0.16, 7)  # so that equal values do not hide each other
    x = [levels.index(text) + spread[index % 7] for index, text in enumerate(texts)]
    return np.array(x), [_label(level, 12) for level in levels]


def confusion(truth, predicted, labels):
    """Held-out rows by true and predicted class; shade is the share of the true class."""
    index = {label: position for position, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), dtype=int)
    for true, guess in zip(truth, predicted, strict=True):
        counts[index[true], index[guess]] += 1
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(labels)
    with _figure(min(1.0 + 0.56 * size, 4.8)) as figure:
        axes = figure.subplots()
        axes.grid(False)
        for row, column in np.ndindex(size, size):
            color = ARM_COLORS[0] if row == column else ARM_COLORS[1]
            box = mpl.patches.Rectangle(
                (column - 0.48, row - 0.46), 0.96, 0.92, color=color, alpha=shares[row, column]
            )
            axes.add_patch(box)
            if size <= 12 and counts[row, column]:
                shade = PAPER if shares[row, column] > 0.6 else INK
                axes.text(
                    column, row, f"{counts[row, column]:,}", ha="center", va="center", color=shade
                )
        axes.set_xlim(-0.5, size - 0.5)
        axes.set_ylim(size - 0.5, -0.5)
        names = [_label(label, 14) for label in labels]
        axes.set_xticks(range(size), names, rotation=90 if size * max(map(len, names)) > 40 else 0)
        axes.set_yticks(range(size), names)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        axes.spines["bottom"].set_visible(False)
        return _svg(figure, "confusion")


def residuals(truth, predicted, limit=1000):
    """Held-out targets against predictions, and how the errors spread."""
    shown = np.random.default_rng(0).permutation(len(truth))[:limit]
    with _figure(2.7) as figure:
        left, right = figure.subplots(1, 2)
        low, high = min(truth.min(), predicted.min()), max(truth.max(), predicted.max())
        left.plot([low, high], [low, high], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
        left.scatter(
            predicted[shown], truth[shown], s=10, color=ARM_COLORS[0], alpha=0.6, linewidth=0
        )
        left.set_xlabel("predicted")
        left.set_ylabel("true")
        right.hist(
            truth - predicted,
            bins=int(np.clip(np.sqrt(len(truth)), 8, 40)),
            color=ARM_COLORS[0],
            edgecolor=PAPER,
        )
        right.axvline(0, color=INK, linewidth=1.2)
        right.set_xlabel("true - predicted")
        right.set_ylabel("rows")
        return _svg(figure, "residuals")


def importance(names, means, stds, scoring, limit=15):
    """What the held-out score loses when a column is shuffled."""
    order = np.argsort(means)[::-1][:limit]
    with _figure(0.7 + 0.23 * len(order)) as figure:
        axes = figure.subplots()
        axes.grid(axis="x")
        axes.grid(False, axis="y")
        rows = np.arange(len(order))
        axes.barh(rows, means[order], height=0.62, color=ARM_COLORS[0])
        axes.hlines(rows, (means - stds)[order], (means + stds)[order], color=INK, linewidth=1.2)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.set_yticks(rows, [_label(names[index]) for index in order])
        axes.tick_params(axis="y", labelcolor=INK)
        axes.set_ylim(len(order) - 0.5, -0.5)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(f"loss of {scoring}")
        return _svg(figure, "importance")


def active_seconds(trials):
    """{number: seconds in which any trial ran until this one finished}; pauses do not count."""
    seconds, total, until = {}, 0.0, -np.inf
    for trial in sorted(trials, key=lambda t: t["finished"]):
        total += max(0.0, trial["finished"] - max(trial["started"], until))
        until = max(until, trial["finished"])
        seconds[trial["number"]] = total
    return seconds


def _score_range(scores):
    """Limits that show what matters: hopeless scores are drawn at the lower edge."""
    high, middle = scores.max(), np.quantile(scores, 0.1)
    low = max(scores.min(), middle - 0.5 * (high - middle))
    pad = 0.02 * (high - low) or 0.01
    return low - pad, high + pad


def _label(value, limit=26):
    """Text of the user's for a picture: short, and never read as a formula."""
    text = str(value)
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return text.replace("$", r"\$")


class _figure:
    """A figure in the report's style."""

    def __init__(self, height):
        self._context = mpl.rc_context(_STYLE)
        self._height = height

    def __enter__(self):
        self._context.__enter__()
        return Figure(figsize=(WIDTH, self._height), layout="constrained")

    def __exit__(self, *exception):
        return self._context.__exit__(*exception)


def _svg(figure, name):
    """The figure as an <svg> element whose ids begin with its name."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator")))
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(r'<svg [^>]*viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" role="img">', text)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    text = re.sub(r"font-family: [^;\"]*;?", "", text)
    text = re.sub(r'\bid="(\w)', rf'id="{name}-\1', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", text)
    for color, variable in _VARIABLES.items():
        text = text.replace(color, f"var(--{variable})")
    return text
