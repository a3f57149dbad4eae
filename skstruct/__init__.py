"""Scikit-learn estimators for data with structure, and a bandit search over whole pipelines."""

from skstruct.registry import all_estimators, get_estimator, search_space

__version__ = "0.1.0"

__all__ = ["all_estimators", "get_estimator", "search_space"]
