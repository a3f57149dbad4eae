"""The swarm alone: which pulls it makes, and what it finds."""

import numpy as np
import pytest

from skstruct.model_selection._consensus import APART, ConsensusSwarm

DEFAULTS = {
    "n_particles": 15,
    "drift": 0.3,
    "noise": (1.2, 0.7),
    "ess_fraction": 0.3,
    "final_fraction": 0.25,
    "n_finalists": 4,
}


def make(n_dims=2, n_fits=100, seed=0, **params):
    return ConsensusSwarm(n_dims, n_fits, seed=seed, **{**DEFAULTS, **params})


def run(swarm, score):
    """Return the batches."""
    batches = []
    while not swarm.done:
        assert swarm.ask() is swarm.ask()
        batches.append(swarm.ask())
        swarm.tell([score(np.array(u), k) for u, k in batches[-1]])
    return batches


def bump(center):
    return lambda u: float(np.exp(-np.sum((u - center) ** 2) / (2 * 0.2**2)))


class Noisy:
    """A bump, what each split adds, and noise."""

    def __init__(self, n_dims, seed, split_sd=0.1):
        self.rng = np.random.default_rng(seed + 1000)
        self.value = bump(self.rng.uniform(0.2, 0.8, n_dims))
        self.splits = split_sd * self.rng.standard_normal(1000)

    def __call__(self, u, k):
        return self.value(u) + self.splits[k] + 0.05 * self.rng.standard_normal()


def regret(n_dims, n_fits, seeds):
    found = []
    for seed in seeds:
        noisy, swarm = Noisy(n_dims, seed), make(n_dims, n_fits, seed)
        run(swarm, noisy)
        found.append(1 - noisy.value(np.array(swarm.best)))
    return np.mean(found)


def random_regret(n_dims, n_fits, seeds, n_splits=5):
    found = []
    for seed in seeds:
        noisy, rng = Noisy(n_dims, seed), np.random.default_rng(seed)
        U = rng.random((n_fits // n_splits, n_dims))
        means = [np.mean([noisy(u, k) for k in range(n_splits)]) for u in U]
        found.append(1 - noisy.value(U[np.argmax(means)]))
    return np.mean(found)


@pytest.mark.parametrize(
    ("n_dims", "n_fits", "most"), [(2, 100, 0.03), (3, 200, 0.04), (5, 200, 0.2)]
)
def test_regret_is_less_than_a_quarter_of_that_of_random_search(n_dims, n_fits, most):
    seeds = range(30)
    ours = regret(n_dims, n_fits, seeds)
    assert ours < most
    assert ours < random_regret(n_dims, n_fits, seeds) / 4


@pytest.mark.parametrize("worst", [-1e30, -1e300])
def test_scores_that_diverge_somewhere_do_not_decide_elsewhere(worst):
    found = []
    for seed in range(20):
        noisy, swarm = Noisy(2, seed), make(2, 100, seed)
        run(swarm, lambda u, k, noisy=noisy: worst if u[0] > 0.8 else noisy(u, k))
        found.append([1 - noisy.value(np.array(u)) for u in (swarm.best, swarm.finalists[0])])
    assert np.mean(found, axis=0).max() < 0.06


@pytest.mark.parametrize("n_fits", [8, 13, 40, 100, 333])
@pytest.mark.parametrize("params", [{}, {"final_fraction": 0.0}, {"n_finalists": 9}])
def test_pulls(n_fits, params):
    """All particles on one split, all finalists on the same fresh ones, and not one too many."""
    swarm = make(3, n_fits, **params)
    *iterations, last = run(swarm, Noisy(3, 0))
    assert len(iterations) == swarm.n_iterations == len(swarm.path)
    n_particles = min(15, max(4, n_fits // 4))
    for k, batch in enumerate(iterations):
        assert [split for _, split in batch] == [k] * n_particles
    n_finalists = len(swarm.finalists)
    assert 1 <= n_finalists <= {**DEFAULTS, **params}["n_finalists"]
    n_splits = len(last) // n_finalists
    assert n_splits >= 1
    splits = range(swarm.n_iterations, swarm.n_iterations + n_splits)
    assert sorted(last) == sorted((u, k) for u in swarm.finalists for k in splits)
    n_pulls = sum(map(len, [*iterations, last]))
    assert n_fits - n_finalists < n_pulls <= n_fits
    points = np.array([u for batch in iterations for u, _ in batch])
    assert ((points >= 0) & (points <= 1)).all()
    assert swarm.path[-1] in swarm.finalists


def test_first_particles_are_a_latin_hypercube():
    points = np.array([u for u, _ in make(4, 100).ask()])
    for column in points.T:
        assert sorted(np.floor(15 * column)) == list(range(15))
    assert np.abs(np.corrcoef(points.T) - np.eye(4)).max() < 0.9


def test_what_a_split_adds_changes_nothing():
    """Even if it is a hundred times what the points differ by."""
    plain, shifted = make(2, 120), make(2, 120)
    effects = 128 * np.random.default_rng(0).integers(-8, 8, 120)
    value = bump(np.array([0.3, 0.6]))
    exact = run(plain, lambda u, k: round(value(u) * 2**20) / 2**20)
    moved = run(shifted, lambda u, k: round(value(u) * 2**20) / 2**20 + effects[k])
    assert moved[:-1] == exact[:-1]
    assert set(shifted.finalists) == set(plain.finalists)
    assert shifted.best == plain.best


def test_finalists_are_apart():
    swarm = make(2, 200)
    run(swarm, Noisy(2, 1))
    chosen = np.array([u for u in swarm.finalists if u != swarm.path[-1]])
    gaps = np.abs(chosen[:, np.newaxis] - chosen).max(axis=-1)
    assert len(chosen) == 3
    assert gaps[np.triu_indices(3, 1)].min() > APART


def test_the_luckiest_fit_does_not_win():
    """One early score is high above all others; its neighbours and its finals are not."""
    value = bump(np.array([0.7, 0.7]))
    first = []

    def score(u, k):
        if not first:
            first.append(u)
            return 1.5
        return value(u)

    swarm = make(2, 160, seed=3)
    run(swarm, score)
    assert value(first[0]) < 0.5
    assert value(np.array(swarm.best)) > 0.95


def test_best_before_the_end():
    swarm, score = make(2, 100), Noisy(2, 0, split_sd=0.0)
    assert swarm.best is None
    swarm.tell([score(np.array(u), k) for u, k in swarm.ask()])
    first = score.value(np.array(swarm.best))
    assert first > 0.1
    for _ in range(2):
        swarm.tell([score(np.array(u), k) for u, k in swarm.ask()])
    assert score.value(np.array(swarm.best)) >= first


def test_points_of_a_discrete_space_are_pulled_once_a_split():
    swarm = make(2, 120, snap=lambda U: (np.minimum(np.floor(3 * U), 2) + 0.5) / 3)
    *iterations, last = run(swarm, lambda u, k: -float(np.abs(u - 0.5).sum()))
    for batch in iterations:
        assert len(set(batch)) == len(batch) <= 9
    assert swarm.best == (0.5, 0.5)
    assert len(set(last)) == len(last) <= 120 - sum(map(len, iterations))
    assert len(last) > 30


def test_space_without_coordinates():
    swarm = make(0, 20)
    batches = run(swarm, lambda u, k: float(k))
    assert swarm.best == ()
    assert {u for batch in batches for u, _ in batch} == {()}


def test_constant_scores():
    swarm = make(2, 60)
    run(swarm, lambda u, k: 0.5)
    assert len(swarm.best) == 2
    assert swarm.best in swarm.finalists


def test_wrong_number_of_scores():
    with pytest.raises(ValueError, match="There are 15 scores to tell, got 3"):
        make().tell([1.0, 2.0, 3.0])
