"""What a finished search looks like: a table of its trials, and one page with pictures."""

import html
import io
import math
from numbers import Real

import numpy as np

from skstruct.model_selection._search_loop import Readable

N_PANELS = 24  # parameters that get a picture, those of the best arms first
STYLE = """
.skstruct-search { font-family: system-ui, sans-serif; max-width: 62rem; color: #222; }
.skstruct-search table { border-collapse: collapse; margin: .5rem 0 1.5rem; }
.skstruct-search th, .skstruct-search td { padding: .2rem .8rem .2rem 0; text-align: left;
  vertical-align: top; border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums; }
.skstruct-search svg { max-width: 100%; height: auto; }
"""


def trials_frame(trials):
    """Return the dicts that `read_journal` describes as a pandas DataFrame."""
    import pandas as pd

    begin = min(trial["started"] for trial in trials)
    rows = []
    keys = ("number", "state", "arm", "arm_name", "level", "split", "score", "cost")
    for trial in trials:
        row = {key: trial[key] for key in keys}
        row |= {f"param_{name}": value for name, value in trial["params"].items()}
        row["started"] = trial["started"] - begin
        row["finished"] = trial["finished"] - begin
        row["error"] = trial["error"]
        rows.append(row)
    return pd.DataFrame(rows)


class SearchReport:
    """One page about a fitted search; it shows itself in a notebook.

    Attributes
    ----------
    html : str
        The page: complete, with all pictures in it.
    """

    def __init__(self, search):
        trials = search.trials_
        scored = [trial for trial in trials if trial["state"] == "COMPLETE"]
        colours = {trial["arm_name"]: f"C{trial['arm'] % 10}" for trial in trials}
        params, score, arm_name = _best(search, scored)
        parts = [
            f"<h1>{type(search).__name__}</h1>",
            _sentence(search, trials, params, score, arm_name),
            _table(["parameter of the best candidate", "value"], params.items()) if params else "",
            *(f"<h2>{html.escape(t)}</h2>{_table(*rest)}" for t, *rest in search._findings()),
            _arms(search.arm_summary_) if len(colours) > 1 else "",
            "<h2>Score against time</h2>",
            _score_over_time(scored, [search._contends(t) for t in scored], colours),
            "<h2>Score against each parameter</h2>",
            _slices(scored, colours),
            f"<h2>All parameters of {html.escape(arm_name)}</h2>",
            _parallel([trial for trial in scored if trial["arm_name"] == arm_name]),
            _failures([trial for trial in trials if trial["error"]]),
            _times(search, trials),
        ]
        self._body = f"<style>{STYLE}</style><div class='skstruct-search'>{''.join(parts)}</div>"
        self.html = (
            "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
            f"<title>{type(search).__name__}</title></head><body>{self._body}</body></html>"
        )

    def _repr_html_(self):
        return self._body


def _best(search, scored):
    """Return parameters, score and arm of what the search has chosen, else of the best trial."""
    best = max(scored, key=lambda trial: (search._contends(trial), trial["score"]))
    if not getattr(search, "found_", True):
        return {}, math.nan, best["arm_name"]
    if not hasattr(search, "best_params_"):
        return best["params"], best["score"], best["arm_name"]
    if "arm" in search.cv_results_:
        best = search.trials_[search.best_index_]
    score = getattr(search, "best_score_", best["score"])
    return Readable()(search.best_params_), score, best["arm_name"]


def _sentence(search, trials, params, score, arm_name):
    best = f"Best score <b>{score:.6g}</b> ({html.escape(arm_name)})"
    return (
        f"<p>{best if params else 'No candidate is good enough'} in {len(trials)} trials; "
        "ended by "
        f"<b>{search.stop_reason_}</b> after {search.search_time_:.4g} s"
        f"{f', {search.n_resumed_} trials resumed' if search.n_resumed_ else ''}.</p>"
    )


def _table(header, rows):
    def line(tag, cells):
        return "<tr>" + "".join(f"<{tag}>{_cell(cell)}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>{line('th', header)}{''.join(line('td', row) for row in rows)}</table>"


def _cell(value):
    if isinstance(value, Real) and not isinstance(value, (bool, int, np.integer)):
        return "" if math.isnan(value) else f"{value:.6g}"
    return html.escape(str(value))


def _arms(summary):
    keys = ["name", "n_pulls", "best_score", "alive", "eliminated_at"]
    header = ["arm", "trials", "best score", "alive", "dropped after"]
    return _table(header, zip(*(summary[key] for key in keys), strict=True))


def _svg(figure):
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight")
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _figure(width, height, n_rows=1, n_columns=1):
    from matplotlib.figure import Figure  # not pyplot: nothing global is touched

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(n_rows, n_columns, squeeze=False).ravel()


def _score_over_time(scored, contends, colours):
    """Draw every score, and the best so far of those that may win; the others are rings."""
    figure, (axes,) = _figure(9, 3.5)
    begin = min(trial["started"] for trial in scored)
    order = np.argsort([trial["finished"] for trial in scored], kind="stable")
    seconds = np.array([trial["finished"] - begin for trial in scored])[order]
    scores = np.array([trial["score"] for trial in scored])[order]
    contends = np.array(contends)[order]
    arms = np.array([trial["arm_name"] for trial in scored])[order]
    for name, colour in colours.items():
        mine = (arms == name) & contends
        others = (arms == name) & ~contends
        axes.plot(seconds[mine], scores[mine], "o", ms=4, color=colour, label=name)
        axes.plot(seconds[others], scores[others], "o", ms=4, mfc="none", mec=colour)
    if contends.any():
        best = np.maximum.accumulate(scores[contends])
        axes.step(seconds[contends], best, where="post", color="#444", label="best")
    low = np.quantile(scores, 0.1)  # a few hopeless trials must not flatten the rest
    margin = 0.05 * (scores.max() - low) or 0.01
    axes.set(xlabel="seconds", ylabel="score", ylim=(low - margin, scores.max() + margin))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return _svg(figure)


def _slices(scored, colours):
    panels = {}
    for trial in sorted(scored, key=lambda trial: -trial["score"]):
        for name, value in trial["params"].items():
            panels.setdefault((trial["arm_name"], name), []).append((value, trial["score"]))
    panels = {
        key: points for key, points in panels.items() if len({str(p[0]) for p in points}) > 1
    }
    if not panels:
        return "<p>No parameter has taken two values.</p>"
    shown = list(panels.items())[:N_PANELS]
    n_rows = -(-len(shown) // 4)
    figure, axes = _figure(11, 2.4 * n_rows, n_rows, 4)
    for panel, ((arm, name), points) in zip(axes, shown, strict=False):
        values, scores = zip(*points, strict=True)
        panel.plot(*_axis(panel, values), scores, "o", ms=4, color=colours[arm])
        panel.set_title(f"{arm}\n{name.rpartition('__')[2]}", fontsize=8)
        panel.tick_params(labelsize=7)
    for panel in axes[len(shown) :]:
        panel.set_axis_off()
    return _svg(figure)


def _axis(panel, values):
    """Set up the x axis for numbers, wide ranges by their logarithm, or for names."""
    if all(isinstance(v, Real) and not isinstance(v, bool) for v in values):
        if min(values) > 0 and max(values) > 50 * min(values):
            panel.set_xscale("log")
        return [values]
    names = sorted({str(value) for value in values})
    panel.set_xticks(range(len(names)), [name[:12] for name in names])
    return [[names.index(str(value)) for value in values]]


def _parallel(scored):
    names = [n for n in scored[0]["params"] if len({str(t["params"][n]) for t in scored}) > 1]
    if not names:
        return "<p>This arm has no parameter that varies.</p>"
    columns = [_unit([trial["params"][name] for trial in scored]) for name in names]
    columns.append(_unit([trial["score"] for trial in scored]))
    lines = np.column_stack(columns)
    from matplotlib import colormaps

    figure, (axes,) = _figure(9, 3.2)
    for line in lines[np.argsort(lines[:, -1])]:
        axes.plot(line, color=colormaps["viridis"](line[-1]), alpha=0.7, lw=1.2)
    axes.set_xticks(range(len(columns)), [n.rpartition("__")[2] for n in names] + ["score"])
    axes.set_yticks([0, 1], ["lowest", "highest"])
    return _svg(figure)


def _unit(values):
    """Place values on [0, 1]: numbers by rank, names in alphabetical order."""
    numeric = all(isinstance(v, Real) and not isinstance(v, bool) for v in values)
    order = values if numeric else [str(value) for value in values]
    distinct = sorted(set(order))
    return [distinct.index(value) / max(len(distinct) - 1, 1) for value in order]


def _failures(failed):
    if not failed:
        return ""
    header = ["trial", "state", "arm", "parameters", "last line of the error"]
    rows = [
        (t["number"], t["state"], t["arm_name"], t["params"], t["error"].strip().splitlines()[-1])
        for t in failed
    ]
    return f"<h2>Trials with an error</h2>{_table(header, rows)}"


def _times(search, trials):
    fits = sum(sum(t for t in trial["result"]["fit_time"] if t) for trial in trials)
    scores = sum(sum(t for t in trial["result"]["score_time"] if t) for trial in trials)
    spent = {"fit": fits, "score": scores, **search.overhead_times_}
    total = sum(spent.values()) or 1.0
    rows = [(name, seconds, f"{seconds / total:.1%}") for name, seconds in spent.items()]
    return "<h2>Where the time went</h2>" + _table(["", "seconds", "share"], rows)
