"""A search space for a class of somebody else."""

from scipy.stats import loguniform


def perceptron():
    """Return the space of scikit-learn's Perceptron."""
    return {"penalty": [None, "l2", "l1"], "alpha": loguniform(1e-6, 1e-1)}
