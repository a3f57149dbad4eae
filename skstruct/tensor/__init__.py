"""Tensors of low rank: tables whose columns, or whose rows, are indexed by several modes."""

from skstruct.tensor._bayesian_tensor_classifier import BayesianTensorClassifier
from skstruct.tensor._bayesian_tensor_factorization import BayesianTensorFactorization
from skstruct.tensor._chebyshev_tucker import ChebyshevTucker
from skstruct.tensor._cp import CP
from skstruct.tensor._cp_regressor import CPRegressor
from skstruct.tensor._functional_tucker_regressor import FunctionalTuckerRegressor
from skstruct.tensor._nested_tensor_clustering import NestedTensorClustering
from skstruct.tensor._nested_tensor_theory import (
    alignment_tensor,
    alignment_unfolding,
    expected_accuracy,
    threshold_tensor,
    threshold_unfolding,
)
from skstruct.tensor._pathway_tensor_factorization import PathwayTensorFactorization
from skstruct.tensor._tucker import Tucker

__all__ = [
    "CP",
    "BayesianTensorClassifier",
    "BayesianTensorFactorization",
    "CPRegressor",
    "ChebyshevTucker",
    "FunctionalTuckerRegressor",
    "NestedTensorClustering",
    "PathwayTensorFactorization",
    "Tucker",
    "alignment_tensor",
    "alignment_unfolding",
    "expected_accuracy",
    "threshold_tensor",
    "threshold_unfolding",
]
