"""What BayesianTensorFactorization and BayesianTensorClassifier have in common: chains to samples.

All randomness is of the chains, one child of a seed each, and entries come to them in the order of
their indices: results depend neither on `n_jobs` nor on the order of the rows of X.
"""

import warnings
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_array

from skstruct._lib.row_blocks import for_row_blocks, one_blas_thread
from skstruct._validation import (
    FLOATS,
    Interval,
    check_is_fitted,
    check_random_state,
    validate_data,
)
from skstruct.tensor._entries import (
    check_mode_sizes,
    encode,
    find_categories,
    sort_by_mode,
    values,
)
from skstruct.tensor._gibbs import Chain, Entries, split_r_hat
from skstruct.tensor._gibbs_fast import predict_entries
from skstruct.tensor._gibbs_links import make_features

N_PROBES = 50  # predictions that diagnostics follow
ENTRIES_PER_THREAD = 20_000  # less do not pay for a thread
LARGE = 2**30  # bytes of samples


class BaseBayesianTensor(CallbackSupportMixin, BaseEstimator):
    """Parameters, chains, and predictions from their samples."""

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_burnin": [Interval(Integral, 0, None, closed="left")],
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "side_info": [list, tuple, None],
        "mode_sizes": [list, tuple, np.ndarray, None],
        "n_chains": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    @classmethod
    def search_space(cls):
        """Return what to tune: the number of components.

        Returns
        -------
        space : dict
            A frozen distribution of scipy.stats or a list for each parameter.
        """
        return {"n_components": [2, 4, 6, 8, 12, 16]}

    @classmethod
    def conformance_instances(cls):
        """Return the instances that the conformance suite checks.

        Returns
        -------
        instances : list of estimator
            Of few samples, since these are what the memory of a fit is spent on.
        """
        return [
            cls(n_burnin=20, n_samples=20),
            cls(3, n_burnin=20, n_samples=10, n_chains=2),
        ]

    def _check_modes(self, n_modes):
        """Return the side information of each mode, or say what is wrong with the parameters."""
        check_mode_sizes(self.mode_sizes, n_modes)
        if self.side_info is None:
            return [None] * n_modes
        if self.mode_sizes is None:
            raise ValueError(
                "side_info needs mode_sizes, so that its rows are the slices 0, 1, ... of a mode; "
                "mode_sizes is None."
            )
        if len(self.side_info) != n_modes:
            raise ValueError(
                f"side_info has {len(self.side_info)} items, X has {n_modes} columns; it must "
                "list a table, or None, for each column."
            )
        found = []
        for k, (side, size) in enumerate(zip(self.side_info, self.mode_sizes, strict=True)):
            if side is not None:
                name = f"side_info[{k}]"
                side = check_array(side, accept_sparse="csr", dtype=np.float64, input_name=name)
                if side.shape[0] != size:
                    raise ValueError(
                        f"{name} has {side.shape[0]} rows; mode_sizes[{k}]={size} needs as many."
                    )
            found.append(side)
        return found

    def _encode(self, X):
        return encode(X, self.categories_, numbered=self._numbered)

    def _start(self, X):
        """Set the categories of the columns; return (slices of the rows, side information)."""
        side_info = self._check_modes(X.shape[1])
        self.categories_ = find_categories(X, self.mode_sizes)
        self._numbered = self.mode_sizes is not None
        return self._encode(X), side_info

    def _sample(self, index, y, weight, side_info, noise, data):
        """Run the chains and keep their samples.

        noise is as `Chain` takes it, data what callbacks are told.
        """
        sizes = [len(known) for known in self.categories_]
        rank, n_chains, n_draws = self.n_components, self.n_chains, self.n_samples
        n_bytes = 4 * rank * n_chains * n_draws * (sum(sizes) + len(sizes))
        if n_bytes > LARGE:
            warnings.warn(
                f"The samples take {n_bytes / LARGE:.1f} GB; n_components={rank}, "
                f"n_chains={n_chains} or n_samples={n_draws} could be less.",
                UserWarning,
                stacklevel=4,
            )
        entries = Entries(index, sort_by_mode(index, [n + 1 for n in sizes]), y, weight)
        features = [
            None if side is None else make_features(side, np.flatnonzero(np.diff(mode.ptr)))
            for side, mode in zip(side_info, entries.modes, strict=True)
        ]
        random_state = check_random_state(self.random_state)
        seed = random_state.randint(np.iinfo(np.int32).max, size=4)
        probes = random_state.permutation(len(index))[:N_PROBES]
        samples = [np.empty((n + 1, rank, n_chains, n_draws), np.float32) for n in sizes]
        n_sweeps = self.n_burnin + n_draws
        path, alpha = np.empty((n_chains, n_sweeps)), np.empty((n_chains, n_draws))
        trace = np.empty((n_chains, n_draws, len(probes)))
        chains = [
            Chain(entries, features, noise, rank, child)
            for child in np.random.SeedSequence(seed).spawn(n_chains)
        ]
        n_threads = effective_n_jobs(self.n_jobs)
        n_ranges = max(1, min(n_threads // n_chains, len(index) // ENTRIES_PER_THREAD))

        def advance(c, sweeps):
            chain = chains[c]
            for t in sweeps:
                s = t - self.n_burnin
                path[c, t] = chain.sweep(row_pool, n_ranges, burn_in=s < 0)
                if s >= 0:
                    for kept, U in zip(samples, chain.factors, strict=True):
                        kept[:, :, c, s] = U[:, :rank]
                    trace[c, s] = values(index[probes], chain.factors)
                    alpha[c, s] = chain.alpha

        step = -(-n_sweeps // 100)
        context = self._init_callback_context(max_subtasks=-(-n_sweeps // step))
        context.call_on_fit_task_begin(estimator=self, **data)
        n_workers = min(n_threads, n_chains)
        # Rows have a pool of their own, since joblib looks for results every 10 ms.
        with (
            one_blas_thread(),
            Parallel(n_jobs=n_workers, require="sharedmem") as chain_pool,
            ThreadPoolExecutor(n_threads) as row_pool,
        ):
            for first in range(0, n_sweeps, step):
                block = context.subcontext(task_name="sweeps")
                block.call_on_fit_task_begin(estimator=self, **data)
                sweeps = range(first, min(first + step, n_sweeps))
                if n_workers > 1:
                    chain_pool(delayed(advance)(c, sweeps) for c in range(n_chains))
                else:
                    for c in range(n_chains):
                        advance(c, sweeps)
                stop = block.call_on_fit_task_end(
                    estimator=self, reconstruction_attributes={}, **data
                )
                if stop and sweeps.stop > self.n_burnin:  # there is no model before
                    break
        self.n_iter_ = sweeps.stop
        n_kept = self.n_iter_ - self.n_burnin
        self._samples = [
            np.ascontiguousarray(kept[..., :n_kept]).reshape(len(kept), rank, -1)
            for kept in samples
        ]
        self._alpha, self._path = alpha[:, :n_kept].ravel(), path[:, : self.n_iter_]
        self.diagnostics_ = {
            "r_hat_loss": float(split_r_hat(path[:, self.n_burnin : self.n_iter_])),
            "r_hat_predictions": split_r_hat(trace[:, :n_kept]),
        }
        context.call_on_fit_task_end(estimator=self, reconstruction_attributes={}, **data)

    def _over_samples(self, X, *, probit):
        """Return X as validated, and mean and variance over the samples of its entries.

        With probit, the mean is that of the probability that the value is positive.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, order="C", reset=False)
        index = self._encode(X)
        mean, variance = np.empty(len(X)), None if probit else np.empty(len(X))

        def predict(rows):
            part = None if probit else variance[rows]
            predict_entries(index[rows], self._samples, mean[rows], part)

        for_row_blocks(predict, len(X), self.n_jobs, block=1024)
        return X, mean, variance

    @property
    def samples_(self):
        return [kept[:-1].transpose(2, 0, 1) for kept in self._samples]

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_samples")
