"""Small tables, and the command run in this process or in one of its own."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from skstruct.cli import main


@pytest.fixture
def table():
    """A classification table of every kind of column, 120 rows."""
    rng = np.random.default_rng(0)
    n = 120
    size = rng.normal(size=n)
    colour = rng.choice(["red", "green", "blue"], n)
    sold = pd.date_range("2022-01-01", periods=n, freq="D")
    bought = np.where(size + (colour == "red") + rng.normal(0, 0.3, n) > 0.3, "yes", "no")
    return pd.DataFrame(
        {
            "number": np.arange(n),
            "size": np.where(rng.random(n) < 0.1, np.nan, size),
            "colour": pd.Series(colour).mask(rng.random(n) < 0.1),
            "sold": sold.strftime("%Y-%m-%d"),
            "shop": "main street",
            "bought": bought,
        }
    )


@pytest.fixture
def csv(table, tmp_path):
    path = tmp_path / "shop.csv"
    table.to_csv(path, index=False)
    return path


@pytest.fixture
def skstruct(capsys):
    """Run the command in this process; gives (status, lines of stdout, lines of stderr)."""

    def run(*args):
        try:
            status = main([str(arg) for arg in args])
        except SystemExit as stop:  # argparse
            status = stop.code
        out, err = capsys.readouterr()
        return status, out.splitlines(), err.splitlines()

    return run


@pytest.fixture
def refused(skstruct):
    """Run the command on bad input; gives the one line that it says."""

    def run(*args):
        status, _, err = skstruct(*args)
        assert status == 2
        assert len(err) == 1, err
        return err[0]

    return run


@pytest.fixture
def process():
    """Start the command in a process of its own."""
    started = []

    def start(*args, **options):
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
        child = subprocess.Popen(
            [sys.executable, "-m", "skstruct", *map(str, args)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            **options,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()
