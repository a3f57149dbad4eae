"""Gauss-Seidel sweeps of the Wasserstein CP dictionary over its blocks, and codes of new samples.

Everything here is about histograms in float64: what the estimator is given is checked there.
"""

from dataclasses import dataclass, field

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from scipy.sparse import issparse
from scipy.special import rel_entr, xlogy
from sklearn.cluster import kmeans_plusplus
from sklearn.utils import gen_batches

from skstruct.decomposition._wasserstein_cp_dictionary_learning_fast import (
    update_codes,
    update_factor,
    work_shape,
)

# exp(-cost / reg) is a normal number, and so are its products with the masses.
SMALLEST_REG = 1 / 690
# Far from the solution, a proximal term that is weak beside the mass of an atom leaves the dual of
# a factor all but kinked: the first sweeps have a stronger one, this share of the mean mass.
EARLY_PROX = 0.01
CELLS_PER_JOB = 2**16
CELLS_PER_CHUNK = 2**20


def outer(factors):
    """Return the outer products of the rows of factors, flattened in C order."""
    product = factors[0]
    for factor in factors[1:]:
        product = (product[:, :, np.newaxis] * factor[:, np.newaxis]).reshape(len(factor), -1)
    return np.ascontiguousarray(product)


def histograms(X):
    """Return the rows of X that have mass, normalised to 1, and a mask of them."""
    X = X.toarray() if issparse(X) else X
    top = X.max(axis=1)
    has_mass = top > 0
    P = X[has_mass].astype(np.float64)
    P /= top[has_mass, np.newaxis]  # in two steps, since a sum may overflow
    P /= P.sum(axis=1, keepdims=True)
    return P, has_mass


def entropies(*arrays):
    return sum(float(xlogy(array, array).sum()) for array in arrays)


@dataclass
class Model:
    """Factors, codes and duals between two sweeps, and how they came about."""

    factors: list
    codes: np.ndarray
    duals: np.ndarray
    change: float = np.inf
    history: list = field(default_factory=list)
    n_evals: float = 0.0


@dataclass
class BlockSolver:
    """Updates of blocks for one cost; the names are those of the estimator's parameters."""

    shape: tuple
    costs: list
    reg: float
    reg_entropy: float
    prox: float
    inner_max_iter: int
    inner_tol: float
    inner_tol_init: float
    n_jobs: int | None

    def __post_init__(self):
        scale = self.reg * sum(cost.max() for cost in self.costs)
        self._kernels = np.concatenate([np.exp(-cost / scale).ravel() for cost in self.costs])
        self._shape = np.array(self.shape, dtype=np.int32)

    def start(self, P, n_components, random_state):
        """Return a model of n_components samples that are far apart, before any sweep."""
        n_samples = len(P)
        P = P.reshape(n_samples, *self.shape)
        axes = range(1, P.ndim)
        marginals = [P.sum(axis=tuple(axis for axis in axes if axis != j)) for j in axes]
        chosen = np.arange(n_samples)
        if n_components < n_samples:
            cdf = np.hstack([np.cumsum(marginal, axis=1) for marginal in marginals])
            chosen = kmeans_plusplus(cdf, n_components, random_state=random_state)[1]
        elif n_components > n_samples:
            more = random_state.randint(n_samples, size=n_components - n_samples)
            chosen = np.concatenate((chosen, more))
        factors = [marginal[chosen] + 0.1 / marginal.shape[1] for marginal in marginals]
        factors = [factor / factor.sum(axis=1, keepdims=True) for factor in factors]
        codes = np.full((n_samples, n_components), 1 / n_components)
        return Model(factors, codes, np.zeros((n_samples, P[0].size)))

    def sweep(self, P, model, work, parallel):
        """Update the codes and then each factor, in place; append the objective."""
        n_samples, k = len(P), len(model.history) + 1
        prox = max(self.prox, EARLY_PROX * n_samples / len(model.factors[0]) / k**2)
        options = {
            "reg": self.reg,
            "tolerance": max(self.inner_tol, self.inner_tol_init / k**1.5),
            "max_iter": self.inner_max_iter,
        }
        atoms, old = outer(model.factors), model.codes.copy()
        jobs = [
            delayed(update_codes)(
                P[rows], model.duals[rows], model.codes[rows], atoms, self._shape, self._kernels,
                kappa=self.reg_entropy + self.prox, tau=self.prox, **options,
            )
            for rows in self._chunks(n_samples)
        ]  # fmt: skip
        n_evals = sum(n for n, _ in parallel(jobs))
        change = np.abs(model.codes - old).sum() / n_samples
        ones = np.ones((len(atoms), 1))
        for j, factor in enumerate(model.factors):
            old = factor.copy()
            before, after = (
                outer([ones, *model.factors[:j]]),
                outer([ones, *model.factors[j + 1 :]]),
            )
            n, value = update_factor(
                P, model.duals, model.codes, factor,
                before[:, :, np.newaxis] * after[:, np.newaxis], atoms, work, self._shape,
                self._kernels, kappa=self.reg_entropy + prox, tau=prox, **options,
            )  # fmt: skip
            n_evals += n
            change += np.abs(factor - old).sum() / len(factor)
        objective = (
            self.reg * entropies(P)
            - value
            - prox * float(rel_entr(factor, np.maximum(old, 1e-300)).sum())
            + self.reg_entropy * entropies(model.codes, *model.factors[:-1])
        )
        model.change = change
        model.history.append(objective / n_samples)
        model.n_evals += n_evals / n_samples

    def workspace(self, n_samples):
        """Return what sweeps over so many samples need."""
        return np.empty(work_shape(n_samples, int(np.prod(self.shape))))

    def pool(self, n_samples):
        """Return a pool of threads; a single one where the work is small."""
        return Parallel(n_jobs=self._n_threads(n_samples), require="sharedmem")

    def encode(self, X, atoms):
        """Return codes of the rows of X and their mean objective, without a proximal term.

        Each sample is alone, from zero duals; those without mass get the uniform code, and are
        not in the mean.
        """
        n_samples = X.shape[0]
        results = self.pool(n_samples)(
            delayed(self._encode)(X[rows], atoms) for rows in self._chunks(n_samples)
        )
        codes, objectives, n_with_mass = zip(*results, strict=True)
        return np.concatenate(codes), sum(objectives) / max(sum(n_with_mass), 1)

    def _encode(self, X, atoms):
        P, has_mass = histograms(X)
        codes = np.full((len(has_mass), len(atoms)), 1 / len(atoms))
        if len(P) == 0:
            return codes, 0.0, 0
        duals, found = np.zeros_like(P), codes[has_mass]
        _, value = update_codes(
            P, duals, found, atoms, self._shape, self._kernels, reg=self.reg,
            kappa=self.reg_entropy, tau=0.0, tolerance=self.inner_tol,
            max_iter=self.inner_max_iter,
        )  # fmt: skip
        codes[has_mass] = found
        return codes, self.reg * entropies(P) - value, len(P)

    def _n_threads(self, n_samples):
        n_cells = n_samples * int(np.prod(self.shape))
        return min(effective_n_jobs(self.n_jobs), 1 + n_cells // CELLS_PER_JOB)

    def _chunks(self, n_samples):
        n_threads = self._n_threads(n_samples)
        rows = -(-n_samples // n_threads)
        return gen_batches(
            n_samples, max(1, min(rows, CELLS_PER_CHUNK // int(np.prod(self.shape))))
        )
