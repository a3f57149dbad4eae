"""The conformance suite passes what is right and fails, check by check, what is wrong."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import uniform
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.utils.validation import check_is_fitted, validate_data

from skstruct.testing import Report, check_estimator, estimator_checks
from skstruct.testing import policy_checks as list_policy_checks
from skstruct.testing import sampler_checks as list_sampler_checks
from skstruct.testing._docstring import incomplete


class Good(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Divide each column by its largest absolute value.

    Parameters
    ----------
    power : float, default=1.0
        The power of the divisor.
    n_jobs : int, default=None
        Not used.
    random_state : int, default=None
        Not used.

    Attributes
    ----------
    divisor_ : ndarray of shape (n_features,)
        The divisor of each column.
    n_features_in_ : int
        Number of columns.

    See Also
    --------
    sklearn.preprocessing.MaxAbsScaler : The same.

    Notes
    -----
    Linear in samples and columns.

    References
    ----------
    None.

    Examples
    --------
    >>> 1 + 1
    2
    """

    def __init__(self, *, power=1.0, n_jobs=None, random_state=None):
        self.power = power
        self.n_jobs = n_jobs
        self.random_state = random_state

    @classmethod
    def search_space(cls):
        """Return the space."""
        return {"power": uniform(0.1, 0.9)}

    def fit(self, X, y=None):
        """Fit.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            The samples.
        y : None
            Not used.
        """
        X = self._checked(X, reset=True)
        largest = np.abs(X).max(axis=0)
        self.divisor_ = np.where(largest > 0, largest, 1) ** self.power
        return self

    def transform(self, X):
        """Transform.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            The samples.
        """
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        return X / self.divisor_.astype(X.dtype)

    def _checked(self, X, reset):
        return validate_data(self, X, dtype=[np.float64, np.float32], reset=reset)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class Undocumented(Good):
    __doc__ = Good.__doc__.replace("power : float", "force : float")


class Upcasting(Good):
    def transform(self, X):
        return super().transform(X).astype(np.float64)


class Nameless(Good):
    def _checked(self, X, reset):
        return super()._checked(np.asarray(X), reset)


class ArrayOnly(Good):
    def set_output(self, *, transform=None):
        return self


class Forgetful(Good):
    def __getstate__(self):
        state = dict(super().__getstate__())
        state.pop("divisor_", None)
        return state


class Unseeded(Good):
    def fit(self, X, y=None):
        super().fit(X)
        self.divisor_ = self.divisor_ * np.random.default_rng().uniform(1, 2)
        return self


class Buffered(Good):
    def transform(self, X):
        check_is_fitted(self)
        self._buffer = self._checked(X, reset=False)
        for _ in range(1000):
            result = self._buffer / self.divisor_
        return result


class JobDependent(Good):
    def fit(self, X, y=None):
        super().fit(X)
        self.divisor_ = self.divisor_ * (self.n_jobs or 1)
        return self


class OnlyTheTrainingSet(Good):
    def fit(self, X, y=None):
        self._n = len(X)
        return super().fit(X)

    def transform(self, X):
        if len(X) != self._n:
            raise ValueError("another number of rows")
        return super().transform(X)


class DividingByZero(Good):
    def fit(self, X, y=None):
        super().fit(X)
        self.divisor_ = np.abs(self._checked(X, reset=False)).max(axis=0) - 0.0
        return self

    def transform(self, X):
        with np.errstate(all="ignore"):
            return super().transform(X)


class AfraidOfTies(DividingByZero):
    def fit(self, X, y=None):
        super().fit(X)
        X = self._checked(X, reset=False)
        if len(X) > 1:
            self.divisor_ = np.diff(np.sort(X, axis=0), axis=0).min(axis=0)
        return self


class CentredOnTheBatch(Good):
    def transform(self, X):
        result = super().transform(X)
        return result - result.mean(axis=0)


class Underflowing(DividingByZero):
    def fit(self, X, y=None):
        super().fit(X)
        with np.errstate(all="ignore"):
            self.divisor_ = np.sum(np.abs(self._checked(X, reset=False)) ** 3, axis=0)
        return self


class Quadratic(Good):
    def fit(self, X, y=None):
        super().fit(X)
        X = self._checked(X, reset=False)
        self.divisor_ = np.sqrt(np.abs(X @ X.T).max()) * np.ones(X.shape[1])
        return self


class WildSpace(Good):
    @classmethod
    def search_space(cls):
        """Return the space."""
        return {"power": [1.0, "strong"]}


class UnknownParameter(Good):
    @classmethod
    def search_space(cls):
        """Return the space."""
        return {"strength": [1.0]}


class ReturnsNone(Good):
    def fit(self, X, y=None):
        super().fit(X)


def failed(checks):
    return {failure.check: failure for failure in Report("it").run(checks).failures}


def test_a_right_estimator_passes():
    report = Report("Good").run(estimator_checks(Good, kind="transformer"))
    report.raise_for_failures()
    assert report.passed > 60
    assert [name for name, _ in report.skipped if "array_api" not in name] == []


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        (Undocumented, "check_docstring"),
        (Upcasting, "check_float32"),
        (Nameless, "check_pandas"),
        (Nameless, "check_polars"),
        (ArrayOnly, "check_pandas"),
        (ArrayOnly, "check_polars"),
        (Forgetful, "check_round_trip"),
        (Unseeded, "check_clone"),
        (Buffered, "check_threads"),
        (JobDependent, "check_n_jobs"),
        (OnlyTheTrainingSet, "check_grid_search"),
        (DividingByZero, "check_constant_columns"),
        (AfraidOfTies, "check_duplicated_rows"),
        (CentredOnTheBatch, "check_one_sample"),
        (Underflowing, "check_scales"),
        (Quadratic, "check_memory"),
        (WildSpace, "check_search_space"),
        (UnknownParameter, "check_search_space"),
        (ReturnsNone, "sklearn.check_estimators_fit_returns_self"),
    ],
)
def test_a_wrong_estimator_fails(estimator, check):
    # One check at a time: the others are about other faults, and some need minutes to fail.
    wanted = [c for c in estimator_checks(estimator) if c.name == check]
    assert wanted
    assert check in failed(wanted)


@pytest.mark.parametrize("kind", ["regressor", "search", "scaler"])
def test_a_wrong_kind_fails(kind):
    wanted = [c for c in estimator_checks(Good, kind=kind) if c.name == "check_kind"]
    assert "check_kind" in failed(wanted)


def test_report_tells_all_failures_at_once():
    report = check_estimator(Upcasting())
    text = str(report)
    names = {failure.check for failure in report.failures}
    assert {"check_float32", "sklearn.check_transformer_preserve_dtypes"} <= names
    assert all(name in text for name in names)
    assert "expected: Data in float32 give results in float32." in text
    assert "transform gives float64" in text
    assert f"Upcasting: {report.passed} checks passed, {len(names)} failed" in text
    with pytest.raises(AssertionError, match="check_float32"):
        report.raise_for_failures()


def test_what_is_skipped_is_told():
    report = check_estimator(CountVectorizer())
    assert any("requires input" in reason for _, reason in report.skipped)
    assert "SKIPPED CountVectorizer-sklearn" in str(report)


def test_class_is_checked_in_the_instances_that_it_names():
    class Two(Good):
        @classmethod
        def conformance_instances(cls):
            """Return what to check."""
            return [cls(power=0.5), cls(power=2.0)]

    subjects = {check.subject: check.argument.power for check in estimator_checks(Two)}
    assert subjects == {"Two[0]": 0.5, "Two[1]": 2.0}


def test_what_cannot_be_made_fails_one_check():
    class Demanding(Good):
        def __init__(self, size):
            self.size = size

    for wrong in (Demanding, int):
        (failure,) = check_estimator(wrong).failures
        assert failure.check == "check_instances"
        assert "conformance_instances" in failure.expectation


def test_docstring_names_what_is_missing():
    assert incomplete(Good) == []
    assert incomplete(Undocumented) == ["parameter 'power' not described"]
    Bare = type("Bare", (Good,), {"__doc__": "Bare.", "extra": lambda self, a: a})
    lacking = incomplete(Bare)
    assert "no section 'References'" in lacking
    assert "method 'extra' has no docstring" in lacking


class GoodPolicy:
    """Take the arms in turn, the one with the fewest pulls first."""

    def reset(self, n_arms, budget, **options):
        """Start.

        Parameters
        ----------
        n_arms : int
            Number of arms.
        budget : int
            Number of pulls.
        **options : dict
            Not used.
        """
        self.alive_ = np.ones(n_arms, dtype=bool)
        self.pulls = np.zeros(n_arms, dtype=int)

    def ask(self):
        """Choose an arm."""
        arm = int(np.argmin(np.where(self.alive_, self.pulls, 10**9)))
        self.observe(arm)
        return arm

    def observe(self, arm):
        """Count a pull.

        Parameters
        ----------
        arm : int
            The arm.
        """
        self.pulls[arm] += 1

    def cancel(self, arm):
        """Take back a pull.

        Parameters
        ----------
        arm : int
            The arm.
        """
        self.pulls[arm] -= 1

    def tell(self, arm, score, *, cost=1.0, se=0.0):
        """Take a score.

        Parameters
        ----------
        arm : int
            The arm.
        score, cost, se : float
            Of the pull.
        """

    def exhaust(self, arm):
        """Drop an arm.

        Parameters
        ----------
        arm : int
            The arm.
        """
        self.alive_[arm] = False


class UndocumentedPolicy(GoodPolicy):
    def __init__(self, start=0):
        self.start = start


class OutOfRange(GoodPolicy):
    def ask(self):
        return super().ask() + 1


class Stubborn(GoodPolicy):
    def ask(self):
        return 0


class DropsWhatWorks(GoodPolicy):
    def tell(self, arm, score, *, cost=1.0, se=0.0):
        if score == score:
            self.alive_[arm] = False


class Zombie(GoodPolicy):
    def exhaust(self, arm):
        pass


class DeafToOthers(GoodPolicy):
    def ask(self):
        arm = super().ask()
        self.pulls[arm] += 1
        return arm

    def observe(self, arm):
        """Ignore it."""


class Unrelenting(GoodPolicy):
    def cancel(self, arm):
        self.pulls[0] -= 1


class ForgetfulPolicy(GoodPolicy):
    def __getstate__(self):
        return {}


class NeverResets(GoodPolicy):
    def reset(self, n_arms, budget, **options):
        if not hasattr(self, "pulls"):
            super().reset(n_arms, budget)
            self.pulls[0] = 3
        self.alive_ = np.ones(n_arms, dtype=bool)


def test_a_right_policy_passes():
    assert failed(list_policy_checks(GoodPolicy)) == {}


@pytest.mark.parametrize(
    ("policy", "check"),
    [
        (UndocumentedPolicy, "check_policy_docstring"),
        (OutOfRange, "check_policy_asks"),
        (Stubborn, "check_policy_pending"),
        (DropsWhatWorks, "check_policy_nan"),
        (Zombie, "check_policy_exhaust"),
        (DeafToOthers, "check_policy_observe"),
        (Unrelenting, "check_policy_cancel"),
        (ForgetfulPolicy, "check_policy_pickle"),
        (NeverResets, "check_policy_reset"),
    ],
)
def test_a_wrong_policy_fails(policy, check):
    assert check in failed(list_policy_checks(policy))


class GoodSampler:
    """Draw points at random.

    Parameters
    ----------
    space : Space
        The arm.
    rng : numpy.random.Generator
        The source of randomness.
    """

    n_init = 0

    def __init__(self, space, rng):
        self.space = space
        self.rng = rng
        self.results = {}

    def ask(self, pending=()):
        """Propose a point.

        Parameters
        ----------
        pending : sequence of points
            Not to be proposed.
        """
        return self.space.sample_new(self.rng, self.results.keys() | set(pending))

    def observe(self, u):
        """Take note of a point.

        Parameters
        ----------
        u : tuple of floats
            The point.
        """

    def tell(self, u, score):
        """Take a score.

        Parameters
        ----------
        u : tuple of floats
            The point.
        score : float
            Its score.
        """
        self.results[u] = score


class UndocumentedSampler(GoodSampler):
    """Draw points at random."""


class ListSampler(GoodSampler):
    def ask(self, pending=()):
        u = super().ask(pending)
        return None if u is None else list(u)


class Unsnapped(GoodSampler):
    def ask(self, pending=()):
        return tuple(float(x) for x in self.rng.random(self.space.n_dims))


class Uncounted(GoodSampler):
    n_init = 2.5


class UnseededSampler(GoodSampler):
    def ask(self, pending=()):
        self.rng = np.random.default_rng()
        return super().ask(pending)


class AfraidOfFailures(GoodSampler):
    def tell(self, u, score):
        if score != score:
            raise ValueError("not a number")
        super().tell(u, score)


class AfraidOfTiesSampler(GoodSampler):
    def ask(self, pending=()):
        scores = list(self.results.values())
        if len(scores) > 1 and np.std(scores) == 0:
            raise ZeroDivisionError
        return super().ask(pending)


class BlindToPending(GoodSampler):
    def ask(self, pending=()):
        return super().ask()


class Repeating(GoodSampler):
    def ask(self, pending=()):
        return self.space.sample(self.rng)


class CountingAsks(GoodSampler):
    n_asked = 0

    def ask(self, pending=()):
        self.n_asked += 1
        self.rng.random(self.n_asked)
        return super().ask(pending)


def test_a_right_sampler_passes():
    assert failed(list_sampler_checks(GoodSampler)) == {}


@pytest.mark.parametrize(
    ("sampler", "check"),
    [
        (UndocumentedSampler, "check_sampler_docstring"),
        (ListSampler, "check_sampler_points"),
        (Unsnapped, "check_sampler_points"),
        (Uncounted, "check_sampler_n_init"),
        (UnseededSampler, "check_sampler_seed"),
        (AfraidOfFailures, "check_sampler_nan"),
        (AfraidOfTiesSampler, "check_sampler_equal_scores"),
        (BlindToPending, "check_sampler_pending"),
        (Repeating, "check_sampler_exhausts"),
        (CountingAsks, "check_sampler_replay"),
    ],
)
def test_a_wrong_sampler_fails(sampler, check):
    assert check in failed(list_sampler_checks(sampler))


def test_needs_no_pytest():
    code = "import sys; sys.modules['pytest'] = None; import skstruct.testing"
    subprocess.run([sys.executable, "-c", code], check=True)
