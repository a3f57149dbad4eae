"""Densities, and what follows from one: clusters, classes and predicted values."""

from skstruct.density._bandwidth_thresholds import gaussian_bandwidth_thresholds
from skstruct.density._high_dimensional_kernel_density import HighDimensionalKernelDensity
from skstruct.density._incremental_gaussian_mixture import IncrementalGaussianMixture
from skstruct.density._incremental_gaussian_mixture_classifier import (
    IncrementalGaussianMixtureClassifier,
)
from skstruct.density._incremental_gaussian_mixture_regressor import (
    IncrementalGaussianMixtureRegressor,
)

__all__ = [
    "HighDimensionalKernelDensity",
    "IncrementalGaussianMixture",
    "IncrementalGaussianMixtureClassifier",
    "IncrementalGaussianMixtureRegressor",
    "gaussian_bandwidth_thresholds",
]
