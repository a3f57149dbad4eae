"""Every example runs, and ends in a picture."""

import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
PATHS = sorted(str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("plot_*.py"))


@pytest.mark.parametrize("path", PATHS)
def test_ends_in_a_picture(path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("agg")
    runpy.run_path(str(EXAMPLES / path), run_name="__main__")
    assert any(figure.axes for figure in map(plt.figure, plt.get_fignums()))
    plt.close("all")
