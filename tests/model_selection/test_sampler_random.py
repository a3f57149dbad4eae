import numpy as np
import pytest
from scipy import stats

from skstruct.model_selection import RandomSampler
from skstruct.model_selection._space import Space


def test_points_follow_the_distributions():
    space = Space({"x": stats.expon(), "kind": ["a", "b", "c", "d"]})
    sampler = RandomSampler(space, np.random.default_rng(0))
    drawn = []
    for _ in range(1000):
        u = sampler.ask()
        sampler.tell(u, 1.0)
        drawn.append(space.decode(u))
    assert stats.kstest([params["x"] for params in drawn], stats.expon.cdf).pvalue > 0.01
    counts = np.unique([params["kind"] for params in drawn], return_counts=True)[1]
    assert stats.chisquare(counts).pvalue > 0.01


def test_scores_do_not_matter():
    points = []
    for score in (1.0, np.nan):
        sampler = RandomSampler(Space({"x": stats.uniform()}), np.random.default_rng(0))
        points.append([])
        for _ in range(5):
            points[-1].append(sampler.ask())
            sampler.tell(points[-1][-1], score)
    assert points[0] == points[1]


def test_takes_no_parameters():
    with pytest.raises(TypeError):
        RandomSampler(Space({"x": [1, 2]}), np.random.default_rng(0), eps=0.1)
