"""The one door to scikit-learn's semi-private helpers, and what they leave open.

Every other module takes them from here, so that a change in scikit-learn is mended in one place.
"""

from functools import wraps

import numpy as np
from sklearn.base import _fit_context
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection._search import BaseSearchCV, _yield_masked_array_for_each_param
from sklearn.model_selection._validation import _fit_and_score
from sklearn.utils._array_api import move_to
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    Options,
    StrOptions,
    validate_params,
)
from sklearn.utils._sparse import _align_api_if_sparse
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.multiclass import _check_partial_fit_first_call
from sklearn.utils.validation import (
    _check_method_params,
    _check_sample_weight,
    _num_samples,
    check_is_fitted,
    check_random_state,
    validate_data,
)

__all__ = [
    "FLOATS",
    "BaseSearchCV",
    "HasMethods",
    "Interval",
    "Options",
    "StrOptions",
    "_MultimetricScorer",
    "_align_api_if_sparse",
    "_check_method_params",
    "_check_partial_fit_first_call",
    "_check_sample_weight",
    "_fit_and_score",
    "_fit_context",
    "_num_samples",
    "_safe_split",
    "_yield_masked_array_for_each_param",
    "check_is_fitted",
    "check_random_state",
    "keep_model_on_error",
    "move_to",
    "validate_data",
    "validate_params",
]

FLOATS = (np.float64, np.float32)  # dtypes that stay what they are


def keep_model_on_error(fit):
    """Decorate a fit so that where it fails, the estimator stays what it was.

    Otherwise the number of features of the new table would stand beside the old model.
    """

    @wraps(fit)
    def guarded(self, *args, **kwargs):
        before = vars(self).copy()
        try:
            return fit(self, *args, **kwargs)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return guarded
