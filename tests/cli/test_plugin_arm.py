"""An estimator of another distribution as an arm: found, tuned, saved and used to predict."""

import json

import pytest

from skstruct import registry

MODULE = """
from scipy.stats import loguniform
from sklearn.linear_model import LogisticRegression


class AcmeClassifier(LogisticRegression):
    def __init__(self, C=1.0, random_state=None):
        super().__init__(C=C, random_state=random_state)

    @classmethod
    def search_space(cls):
        return {"C": loguniform(1e-2, 1e2)}
"""
ENTRY_POINTS = """
[skstruct.estimators]
AcmeClassifier = acme_arm:AcmeClassifier
Broken = acme_arm:Nothing
[skstruct.kinds]
AcmeClassifier = classifier
Broken = classifier
"""


@pytest.fixture
def acme(tmp_path, monkeypatch):
    site = tmp_path / "site"
    info = site / "acme_arm-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "acme_arm.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-arm\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(site)
    registry.refresh()
    yield
    monkeypatch.undo()
    registry.refresh()


def test_tune_and_predict(acme, skstruct, tmp_path):
    run = tmp_path / "run"
    command = ("tune", "iris", "--arms", "AcmeClassifier", "--cv", 2, "--trials", 4, "--out", run)
    status, out, _ = skstruct(*command)
    assert status == 0
    assert "arms: AcmeClassifier" in out
    best = json.loads((run / "best.json").read_text())
    assert (best["arm"], best["params"].keys()) == ("AcmeClassifier", {"model__C"})
    status, out, err = skstruct("predict", run, "iris")
    assert (status, err) == (0, [])
    assert len(out) == 151


def test_a_model_whose_distribution_is_gone_is_refused(acme, skstruct, refused, tmp_path):
    run = tmp_path / "run"
    skstruct("tune", "iris", "--arms", "AcmeClassifier", "--cv", 2, "--trials", 1, "--out", run)
    (tmp_path / "site" / "acme_arm-1.0.dist-info" / "entry_points.txt").unlink()
    registry.refresh()
    assert "holds acme_arm.AcmeClassifier, which is neither" in refused("predict", run, "iris")


@pytest.mark.filterwarnings("ignore:The estimator 'Broken'")
def test_arms_that_cannot_be(acme, refused, tmp_path):
    out = ("--out", tmp_path / "run")
    assert "the arm 'Broken' cannot be searched" in refused(
        "tune", "iris", "--arms", "Broken", *out
    )
    assert "is a classifier; this task needs a regressor" in refused(
        "tune", "diabetes", "--arms", "AcmeClassifier", *out
    )
    assert "is registered without a kind; this task needs a classifier" in refused(
        "tune", "iris", "--arms", "ThinnedEstimator", *out
    )
    assert "did you mean 'AcmeClassifier'" in refused(
        "tune", "iris", "--arms", "AcmeClasifier", *out
    )
