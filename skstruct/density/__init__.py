"""Densities, and what follows from one: clusters, classes and predicted values."""

from skstruct.density._incremental_gaussian_mixture import IncrementalGaussianMixture
from skstruct.density._incremental_gaussian_mixture_classifier import (
    IncrementalGaussianMixtureClassifier,
)
from skstruct.density._incremental_gaussian_mixture_regressor import (
    IncrementalGaussianMixtureRegressor,
)

__all__ = [
    "IncrementalGaussianMixture",
    "IncrementalGaussianMixtureClassifier",
    "IncrementalGaussianMixtureRegressor",
]
