"""Distributions from outside: built, installed, found, checked and tuned by skstruct as it is."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Return a function that runs code where the named distributions are installed."""
    place = tmp_path_factory.mktemp("plugins")
    names = sorted(path.name for path in HERE.glob("acme_*"))
    for name in names:
        copytree(HERE / name, place / "src" / name, ignore=ignore_patterns("__pycache__"))
    sources = [str(place / "src" / name) for name in names]
    _pip("wheel", "--no-build-isolation", "--wheel-dir", str(place), *sources)
    for name in names:
        (wheel,) = place.glob(f"{name}-*.whl")
        _pip("install", "--target", str(place / name), str(wheel))

    def run(code, *installed):
        path = os.pathsep.join(str(place / name) for name in installed)
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=False,
            cwd=place,
            env=os.environ | {"PYTHONPATH": path},
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


def _pip(command, *arguments):
    options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", command, *options, *arguments], check=True)


def test_plugin_is_listed_without_being_imported(run):
    code = """
import sys
from skstruct import all_estimators, get_estimator, registry
(card,) = [c for c in all_estimators(kind="classifier", family="acme_struct")]
print(card.name, card.distribution, card.version)
for group, name in [("policies", "greedy"), ("samplers", "halton"),
                    ("search_spaces", "sklearn.linear_model.Perceptron")]:
    assert name in [c.name for c in registry.cards(f"skstruct.{group}")]
assert not any(name.startswith(("acme", "sklearn", "numpy")) for name in sys.modules)
print(get_estimator("DiagonalDiscriminant").__module__)
"""
    found = run(code, "acme_struct").stdout.split()
    assert found == ["DiagonalDiscriminant", "acme-struct", "1.0", "acme_struct._discriminant"]


def test_plugin_conforms(run):
    code = """
from skstruct.testing import check_plugin
report = check_plugin("acme-struct")
report.raise_for_failures()
assert all("array_api" in name for name, _ in report.skipped), report
print(report.passed)
"""
    assert int(run(code, "acme_struct").stdout) > 90


def test_plugin_is_tuned(run):
    code = """
from sklearn.datasets import load_wine
from sklearn.linear_model import Perceptron
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skstruct import get_estimator, search_space
from skstruct.model_selection import RisingBanditSearchCV, cash_space
X, y = load_wine(return_X_y=True)
arms = {}
for model in (get_estimator("DiagonalDiscriminant")(), Perceptron(random_state=0)):
    arm = make_pipeline(StandardScaler(), model)
    arms[type(model).__name__.lower()] = arm, search_space(arm)
search = RisingBanditSearchCV(
    *cash_space(arms), n_iter=12, policy="greedy", sampler="halton", cv=3, random_state=0
).fit(X, y)
assert set(search.cv_results_["arm"]) == {0, 1}
print(len(search.cv_results_["arm"]), search.best_score_)
"""
    n_trials, best = run(code, "acme_struct").stdout.split()
    assert int(n_trials) == 12
    assert float(best) > 0.95


def test_doctest_of_the_plugin(run):
    code = "import doctest, acme_struct._discriminant as d; print(doctest.testmod(d))"
    assert "failed=0, attempted=4" in run(code, "acme_struct").stdout


def test_broken_plugin_hurts_nobody(run):
    code = """
from skstruct import all_estimators, get_estimator, registry
from skstruct.testing import check_plugin
assert "Unimportable" in [c.name for c in all_estimators()]
print(get_estimator("DiagonalDiscriminant"))
report = check_plugin("acme-broken")
assert [f.check for f in report.failures] == ["check_import", "check_import"]
for _ in range(2):
    try:
        registry.load("skstruct.policies", "unimportable")
    except ImportError as error:
        print(error)
assert "acme_missing_dependency" in registry.failures()["skstruct.policies", "unimportable"]
"""
    done = run(code, "acme_struct", "acme_broken")
    assert "'unimportable' of the distribution 'acme-broken' (1.0)" in done.stdout
    assert done.stderr.count("RuntimeWarning: The policy 'unimportable'") == 1
    assert done.stderr.count("RuntimeWarning: The estimator 'Unimportable'") == 1


def test_name_of_two_plugins_is_an_error_that_names_both(run):
    code = """
from skstruct import get_estimator
from skstruct.testing import check_plugin
try:
    get_estimator("DiagonalDiscriminant")
except ValueError as error:
    print(error)
print([f.error for f in check_plugin("acme-struct").failures])
"""
    said = run(code, "acme_struct", "acme_duplicate").stdout
    assert "'acme-duplicate' (1.0) and 'acme-struct' (1.0)" in said
    assert "'DiagonalDiscriminant' is also registered by acme-duplicate" in said


def test_name_of_skstruct_stays(run):
    code = """
from skstruct import registry
from skstruct.testing import check_plugin
for _ in range(2):
    print(registry.load("skstruct.samplers", "random").__module__)
print([f.error for f in check_plugin("acme-shadow").failures])
"""
    done = run(code, "acme_shadow")
    assert done.stdout.split()[:2] == ["skstruct.model_selection._sampler_random"] * 2
    assert "'random' is also registered by skstruct" in done.stdout
    assert done.stderr.count("'acme-shadow' (1.0) registers the sampler 'random'") == 1


def test_distribution_that_is_not_installed_is_an_error(run):
    code = """
from skstruct.testing import check_plugin
try:
    check_plugin("acme-struct")
except ValueError as error:
    print(error)
"""
    assert "'acme-struct' is not installed, or it registers nothing" in run(code).stdout
