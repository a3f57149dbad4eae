import re
import subprocess
import sys

import pytest

import skstruct as package
from skstruct import registry
from skstruct.cli import _doctor


@pytest.mark.parametrize(
    "command", [(), ("tune",), ("predict",), ("list",), ("info",), ("check-plugin",), ("doctor",)]
)
def test_help(skstruct, command):
    status, out, _ = skstruct(*command, "--help")
    assert status == 0
    assert out[0].startswith("usage: skstruct")


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from skstruct.cli import main\n"
        "try: main(['tune', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(bool({'numpy', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_version_and_the_module():
    command = [sys.executable, "-m", "skstruct", "--version"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == f"skstruct {package.__version__}\n"


def test_unknown_command(refused):
    assert "did you mean 'list'?" in refused("lits")


def test_list(skstruct):
    status, out, _ = skstruct("list")
    assert status == 0
    names = [line.split()[0] for line in out if line]
    for group in ("skstruct.estimators", "skstruct.policies", "skstruct.samplers"):
        assert {card.name for card in registry.cards(group)} <= set(names)


def test_list_filters(skstruct, refused):
    _, out, _ = skstruct("list", "--kind", "regressor")
    assert [line.split()[1] for line in out[1:]] == ["regressor"] * (len(out) - 1)
    assert "kind='x' is not one of" in refused("list", "--kind", "x")
    assert "there is: decomposition, density" in refused("list", "--family", "x")


def test_info(skstruct, refused):
    status, out, _ = skstruct("info", "IncrementalGaussianMixtureClassifier")
    text = "\n".join(out)
    assert status == 0
    assert out[0].startswith("IncrementalGaussianMixtureClassifier: classifier of skstruct")
    assert re.search(r"^search space\n  \w+ +\w", text, re.M)
    assert "Unknown estimator 'Nothing'" in refused("info", "Nothing")


def test_info_of_an_estimator_without_a_space(skstruct):
    _, out, _ = skstruct("info", "RisingBanditSearchCV")
    assert "search space: none declared" in out
    assert re.search(r"^  n_iter +60$", "\n".join(out), re.M)


def test_doctor(skstruct):
    status, out, _ = skstruct("doctor")
    text = "\n".join(out)
    assert (status, out[-1]) == (0, "all is well")
    assert re.search(r"run at level '(avx512|avx2|portable)'", text)
    assert re.search(r"^  skstruct\._lib\._simd +ok$", text, re.M)
    assert re.search(r"^  scikit-learn +\d", text, re.M)
    assert re.search(r"^  blas ", text, re.M)


def test_doctor_tells_what_is_broken(skstruct, monkeypatch):
    card = registry.Card(
        name="Sick",
        family="acme",
        kind="classifier",
        distribution="acme",
        version="1",
        value="acme_that_is_not_there:Sick",
        group="skstruct.estimators",
    )
    cards = registry.cards
    monkeypatch.setattr(
        registry,
        "cards",
        lambda group: [*cards(group), *[card] * (group == "skstruct.estimators")],
    )
    monkeypatch.setitem(_doctor.PACKAGES, "dask", ("dask", "not-a-package"))
    status, out, _ = skstruct("doctor")
    text = "\n".join(out)
    assert status == 1
    assert "No module named 'acme_that_is_not_there'" in text
    assert re.search(r"^  not-a-package +missing$", text, re.M)
    assert "packages: dask (pip install 'skstruct[dask]')" in text


def test_check_plugin(skstruct, refused, monkeypatch):
    from skstruct.testing import Failure, Report

    reports = [Report("acme", passed=7), Report("acme", failures=[Failure(*"abcde")])]
    for report, expected in zip(reports, (0, 1), strict=True):
        monkeypatch.setattr("skstruct.cli._check_plugin.check_plugin", lambda _, r=report: r)
        status, out, _ = skstruct("check-plugin", "acme")
        assert status == expected
        assert out[0].startswith("acme: ")


def test_check_plugin_that_is_not_installed(refused):
    assert "'acme-nothing' is not installed" in refused("check-plugin", "acme-nothing")
