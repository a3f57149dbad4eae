"""What the incremental Gaussian mixture, its classifier and its regressor have in common."""

from numbers import Integral, Real

import numpy as np
from scipy.stats import loguniform
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import gen_batches

from skstruct._lib.row_order import shuffled_distinct_rows
from skstruct._validation import Interval, StrOptions, _check_sample_weight, check_random_state


class BaseIncrementalMixture(CallbackSupportMixin, BaseEstimator):
    """Parameters, their ranges, and the one pass of fit.

    A child has ``_learn(*blocks, weight)``, which learns some rows of each block of columns.
    """

    _parameter_constraints = {
        "novelty": [Interval(Real, 0, 1, closed="left")],
        "delta": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "scale": ["array-like", None],
        "max_components": [Interval(Integral, 1, None, closed="left")],
        "prior_weight": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "v_min": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "sp_min": [Interval(Real, 0, None, closed="left")],
        "update": [StrOptions({"exact", "figmn"})],
        "forgetting": [Interval(Real, 0, 1, closed="right")],
        "resp_tol": [Interval(Real, 0, 1, closed="left")],
        "n_warmup": [Interval(Integral, 2, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        novelty=0.01,
        delta="auto",
        *,
        scale=None,
        max_components=100,
        prior_weight="auto",
        v_min="auto",
        sp_min=3.0,
        update="exact",
        forgetting=1.0,
        resp_tol=1e-12,
        n_warmup=200,
        shuffle=True,
        random_state=None,
    ):
        self.novelty = novelty
        self.delta = delta
        self.scale = scale
        self.max_components = max_components
        self.prior_weight = prior_weight
        self.v_min = v_min
        self.sp_min = sp_min
        self.update = update
        self.forgetting = forgetting
        self.resp_tol = resp_tol
        self.n_warmup = n_warmup
        self.shuffle = shuffle
        self.random_state = random_state

    @classmethod
    def search_space(cls):
        """Return what to tune: how soon a component is founded, and how wide it starts.

        Returns
        -------
        space : dict
            A frozen distribution of scipy.stats or a list for each parameter.
        """
        return {
            "novelty": loguniform(1e-5, 0.5),
            "delta": ["auto", 0.35, 0.5, 0.7, 1.0, 1.4],
            "prior_weight": ["auto", 1.0],
        }

    def _mixture_params(self, scale):
        """Return the parameters of a mixture that learns what this estimator feeds it."""
        names = BaseIncrementalMixture._get_param_names()
        return {name: getattr(self, name) for name in names} | {"scale": scale}

    def _check_scale(self, n_columns):
        """Return scale as an array, or None, or say what is wrong with it."""
        if self.scale is None:
            return None
        scale = np.asarray(self.scale, dtype=np.float64)
        if scale.shape != (n_columns,):
            raise ValueError(
                f"scale has shape {scale.shape}; it must be None or of shape ({n_columns},), one "
                "standard deviation for each column."
            )
        if not (np.isfinite(scale) & (scale > 0)).all():
            raise ValueError(f"scale={self.scale!r}; all of it must be positive and finite.")
        return scale

    def _positive_weight(self, sample_weight, blocks):
        """Return the blocks of columns without rows of weight 0, and the weights that stay."""
        weight = _check_sample_weight(
            sample_weight, blocks[0], dtype=np.float64, ensure_non_negative=True
        )
        if (weight > 0).all():
            return blocks, weight
        kept = np.flatnonzero(weight)
        return tuple(block[kept] for block in blocks), weight[kept]

    def _one_pass(self, blocks, weight, X, y, sample_weight):
        """Learn all rows, in random order if shuffle, with a callback about every hundredth.

        X, y and sample_weight as they came are for the callbacks.
        """
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        data = {"X": X, "y": y, "metadata": metadata}
        rows = None
        if self.shuffle:
            random_state = check_random_state(self.random_state)
            rows, weight = shuffled_distinct_rows(blocks, weight, random_state)
        n_rows = len(weight)
        batches = list(gen_batches(n_rows, max(256, -(-n_rows // 100))))
        context = self._init_callback_context(max_subtasks=len(batches))
        context.call_on_fit_task_begin(estimator=self, **data)
        for batch in batches:
            step = context.subcontext(task_name="rows")
            step.call_on_fit_task_begin(estimator=self, **data)
            picked = batch if rows is None else rows[batch]
            self._learn(*(block[picked] for block in blocks), weight[batch])
            if step.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data):
                break
        context.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data)
