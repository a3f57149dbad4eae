"""What a sampler must do for a search to be able to rely on it."""

import numpy as np
from scipy.stats import loguniform, randint, uniform

from skstruct.testing._docstring import undescribed
from skstruct.testing._report import Check

SPACES = {
    "one dimension": {"a": uniform(0, 1)},
    "mixed": {
        "rate": loguniform(1e-4, 1.0),
        "depth": randint(1, 12),
        "width": [1, 2, 4, 8],
        "kind": ["a", "b", None],
        "constant": ["x"],
    },
    "finite": {"width": [1, 2, 4], "flag": [True, False]},
}


def check_sampler_docstring(sampler):
    """The docstring describes every parameter, and every public method has one."""
    lacking = undescribed(sampler)
    assert not lacking, "; ".join(lacking)


def check_sampler_points(sampler):
    """Each point is a tuple of floats in [0, 1], a point of the space."""
    for name, trials in _each_run(sampler, 5):
        for space, u in trials:
            assert isinstance(u, tuple), f"{name}: {u!r} is no tuple"
            assert len(u) == space.n_dims, f"{name}: {len(u)} instead of {space.n_dims} numbers"
            assert all(isinstance(x, float) and 0 <= x <= 1 for x in u), f"{name}: {u!r}"
            assert space.point(u) == u, f"{name}: {u!r} is between two points of the space"


def check_sampler_n_init(sampler):
    """The number of first results that do not count, n_init, is an integer."""
    for name, params in SPACES.items():
        n_init = _Run(sampler, params).sampler.n_init
        assert isinstance(n_init, int), f"{name}: n_init is {n_init!r}"
        assert n_init >= 0, f"{name}: n_init is {n_init!r}"


def check_sampler_seed(sampler):
    """One seed gives one sequence of points, and another seed another."""
    for name, params in SPACES.items():
        first, again, other = (_Run(sampler, params, seed).play(5) for seed in (0, 0, 1))
        assert again == first, f"{name}: the same seed gives other points"
        assert name == "finite" or other != first, f"{name}: another seed gives the same points"


def check_sampler_nan(sampler):
    """Failed trials, which score NaN, do not stop it, be they some or all."""
    for share in (2, 1):
        for name, params in SPACES.items():
            run = _Run(sampler, params)
            for i in range(6):
                u = run.ask()
                assert u is not None, f"{name}: no point is left after {i}"
                run.sampler.tell(u, np.nan if i % share == 0 else _score(u))


def check_sampler_equal_scores(sampler):
    """Scores that are all equal do not stop it."""
    run = _Run(sampler, SPACES["mixed"])
    for _ in range(12):
        run.sampler.tell(run.ask(), 0.5)


def check_sampler_pending(sampler):
    """A point that is pending is not proposed again."""
    for name, params in SPACES.items():
        run = _Run(sampler, params)
        run.play(2)
        pending = [run.ask()]
        for _ in range(3):
            pending.append(run.ask(pending))
        assert len(set(pending)) == 4, f"{name}: {pending} has a point twice"


def check_sampler_exhausts(sampler):
    """In a finite space no point comes twice, and None says that all have come."""
    run = _Run(sampler, SPACES["finite"])
    points = run.play(6)
    assert len(set(points)) == 6, f"of 6 points it proposes {len(set(points))}"
    assert run.ask() is None, "it proposes a seventh point of six"
    run = _Run(sampler, {"constant": ["x"]})
    assert run.play(1) == [()], "it does not propose the one point of a space without dimensions"
    assert run.ask() is None, "it proposes the one point of a space twice"


def check_sampler_replay(sampler):
    """To observe and be told what another one proposed leaves it where the other one is."""
    for name in ("one dimension", "mixed"):
        run, twin = _Run(sampler, SPACES[name]), _Run(sampler, SPACES[name])
        for u in run.play(9):
            twin.sampler.observe(u)
            twin.sampler.tell(u, _score(u))
            twin.n_asked += 1
        assert twin.play(3) == run.play(3), f"{name}: the next points differ"


class _Run:
    """A sampler whose generator is set to the stream of the trial before each ask."""

    def __init__(self, sampler, params, seed=0):
        # Here, since the model selection family imports scikit-learn's.
        from skstruct.model_selection._space import Space

        self.space = Space(params)
        self.rng = np.random.default_rng(seed)
        self.sampler = sampler(self.space, self.rng)
        self.seed = seed
        self.n_asked = 0

    def ask(self, pending=()):
        stream = np.random.SeedSequence(self.seed, spawn_key=(self.n_asked,))
        self.rng.bit_generator.state = np.random.default_rng(stream).bit_generator.state
        self.n_asked += 1
        return self.sampler.ask(pending)

    def play(self, n_trials):
        """Ask and tell, and return the points."""
        points = []
        for _ in range(n_trials):
            points.append(self.ask())
            self.sampler.tell(points[-1], _score(points[-1]))
        return points


def _each_run(sampler, n_trials):
    for name, params in SPACES.items():
        run = _Run(sampler, params)
        yield name, [(run.space, u) for u in run.play(n_trials)]


def _score(u):
    return 1.0 - sum((x - 0.3) ** 2 for x in u)


CHECKS = (
    check_sampler_docstring,
    check_sampler_points,
    check_sampler_n_init,
    check_sampler_seed,
    check_sampler_nan,
    check_sampler_equal_scores,
    check_sampler_pending,
    check_sampler_exhausts,
    check_sampler_replay,
)


def sampler_checks(sampler, *, subject=None):
    """List the checks of a sampler.

    Parameters
    ----------
    sampler : class
        Called with a space and a generator.
    subject : str, default=None
        How the checks call it; None for the name of the class.

    Returns
    -------
    checks : list of Check
    """
    subject = subject or sampler.__name__
    return [Check(subject, function.__name__, function, sampler) for function in CHECKS]
