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
from skstruct.density._kde_mode_finder import KDEModeFinder
from skstruct.density._kernel_thinning import KernelThinning
from skstruct.density._thinned_estimator import ThinnedEstimator

__all__ = [
    "HighDimensionalKernelDensity",
    "IncrementalGaussianMixture",
    "IncrementalGaussianMixtureClassifier",
    "IncrementalGaussianMixtureRegressor",
    "KDEModeFinder",
    "KernelThinning",
    "ThinnedEstimator",
    "gaussian_bandwidth_thresholds",
]
