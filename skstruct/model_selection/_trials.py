"""Searches whose trials run on all folds: what they have in common beside the engine."""

from abc import abstractmethod
from numbers import Integral, Real

from skstruct._validation import Interval
from skstruct.model_selection._base import BaseEngineSearchCV


class BaseAskTellSearchCV(BaseEngineSearchCV):
    """Base of the searches over `param_distributions` that spend `n_iter` trials."""

    _parameter_constraints: dict = {
        **BaseEngineSearchCV._parameter_constraints,
        "param_distributions": [dict, list, None],
        "n_iter": [Interval(Integral, 1, None, closed="left")],
        "start_from_defaults": ["boolean"],
        "synchronous": ["boolean"],
        "warm_start_from": "no_validation",
        "initial_params": [list, tuple, None],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "min_delta": [Interval(Real, 0, None, closed="left")],
        "fold_racing": ["boolean"],
    }

    @abstractmethod
    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        n_iter,
        start_from_defaults,
        synchronous,
        warm_start_from,
        initial_params,
        patience,
        min_delta,
        fold_racing,
        **engine,
    ):
        super().__init__(estimator, **engine)
        self.param_distributions = param_distributions
        self.n_iter = n_iter
        self.start_from_defaults = start_from_defaults
        self.synchronous = synchronous
        self.warm_start_from = warm_start_from
        self.initial_params = initial_params
        self.patience = patience
        self.min_delta = min_delta
        self.fold_racing = fold_racing
