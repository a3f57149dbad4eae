"""Which core shape is best: the shape of a Tucker decomposition under a budget or an error.

A core of shape R = (R_0, ..., R_{N-1}) and its factors hold p(R) = prod R_n + sum I_n R_n numbers.
With a^(n) the squared higher-order singular values of mode n ("spectra", squared) and V_n their
vectors, the squared error of the best decomposition of that shape is at most

    table      |X|^2 - S[R],  S the sums of the squares of the corners of G = X x_n V_n' over all
               modes, that is the truncated HOSVD: one pass of sums gives those of every shape
    packing    sum_n sum_{i > R_n} a^(n)_i, the tails, which is at most N times the best error [1]_

The first is no more than the second: what the best tails add up to bounds what the best of the
table leaves, and so the tail of each of its modes. Ranks that are too small for that need no look,
and with the least ranks of the others a budget leaves no large ones: the table is small.

`CoreShapes` computes either once, and then finds for any budget c the R with p(R) <= c that
captures most, and of those that capture as much the cheapest; or the cheapest R for an error. All
shapes are looked at. Where they are too many, which only tails can be, the product of the ranks is
held below each bound B of a geometric grid: what is left to choose, a rank in every mode, is an
integer program with two budgets, sum log R_n <= log B and sum I_n R_n <= c - B.

.. [1] M. Ghadiri, M. Fahrbach, G. Fu, V. Mirrokni, "Approximately Optimal Core Shapes for Tensor
   Decompositions", International Conference on Machine Learning, 2023, arXiv:2302.03886.
"""

from math import isqrt, prod
from numbers import Integral

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from skstruct.tensor._core_shape_fast import add_up, search
from skstruct.tensor._hooi import transposed, truncated
from skstruct.tensor._modes import mode_view, multi_ttm

MOST_ELEMENTS = 50_000_000  # of a table, and of the tensor after the first product on the way
MOST_SHAPES = 50_000_000
TIE = 1e-12  # share of the squared norm that makes no difference
SLACK = 1e-6  # share by which tails and tables may differ in rounding
GRID = 1.05  # ratio of the bounds on the product of the ranks


def n_params(shape, rank):
    """Return the number of numbers in the core and the factors."""
    return prod(rank) + sum(size * r for size, r in zip(shape, rank, strict=True))


def smallest_budget(shape):
    """Return the number of numbers in a core of one element and its factors."""
    return 1 + sum(shape)


def limits(shape, budget, least):
    """Return the largest rank of each mode that a budget allows, with at least these in others."""
    found = []
    for size, r in zip(shape, least, strict=True):
        product = prod(least) // r
        rest = max(0, budget - n_params(shape, least) + prod(least) + size * r)
        # The product is no less than the rank either: R (R + I_n) is at most the rest.
        square = (isqrt(size * size + 4 * rest) - size) // 2
        found.append(max(r, min(size, rest // (product + size), square)))
    return found


def given_rank(given, shape):
    """Return the shape of a core that is given as an integer or as one for each mode."""
    if isinstance(given, Integral):
        rank = [int(given)] * len(shape)
    else:
        rank = list(given)
    if len(rank) != len(shape):
        raise ValueError(
            f"rank={given!r} has {len(rank)} elements; a tensor of shape {shape}, samples "
            f"first, needs {len(shape)}."
        )
    for n, size in enumerate(shape):
        if rank[n] is not None and not (isinstance(rank[n], Integral) and 1 <= rank[n] <= size):
            raise ValueError(
                f"rank={given!r}: mode {n} has size {size}, for which the rank must be "
                f"None or an integer from 1 to {size}."
            )
    whole = [n for n, r in enumerate(rank) if r is None]
    rank = [size if r is None else int(r) for r, size in zip(rank, shape, strict=True)]
    for n in whole:
        rank[n] = min(rank[n], prod(rank) // rank[n])  # the others have no more dimensions
    for n, r in enumerate(rank):
        if r * r > prod(rank):
            raise ValueError(
                f"rank={given!r}: the rank of mode {n} must not be more than the product "
                f"{prod(rank) // r} of the others."
            )
    return tuple(rank)


class CoreShapes:
    """What each core shape captures of a tensor, as a share of its squared norm.

    Parameters
    ----------
    X : ndarray of shape (I_0, ..., I_{N-1})
        The tensor.
    spectra : list of (ndarray, ndarray)
        What `spectrum` gives for each mode: vectors and squared singular values.
    budget : int
        The largest that will be asked for.
    table : bool
        Whether to tabulate the losses of the truncated HOSVD, or to be content with tails. A table
        that is too large is not made.
    loss : float, default=1
        The largest share of which a shape that is asked for may be without: whatever loses more in
        one mode alone is left out.
    """

    def __init__(self, X, spectra, budget, *, table, loss=1.0):
        self.shape = X.shape
        self.budget = budget
        tails = [tail_shares(a) for _, a in spectra]
        self.least = [int(np.argmax(tail <= loss + SLACK)) + 1 for tail in tails]
        most = [
            min(n, len(tail))
            for n, tail in zip(limits(X.shape, budget, self.least), tails, strict=True)
        ]
        self.limits = most
        total = spectra[0][1].sum()
        first = min(n / size for n, size in zip(most, X.shape, strict=True))
        self.tabulated = table and first * X.size <= MOST_ELEMENTS and total > 0
        if self.tabulated:
            factors = truncated(X, spectra, most)
            core = multi_ttm(X, transposed(factors, range(X.ndim)))
            table = np.square(core, dtype=np.float64)
            table /= total
            for n in range(table.ndim):
                add_up(mode_view(table, n))
            self.values = table.ravel()
            self.strides = [prod(most[n + 1 :]) for n in range(len(most))]
        else:
            # The share that is left when a mode is cut, negative; the first also has the whole.
            self.values = -np.concatenate([tail[:k] for tail, k in zip(tails, most, strict=True)])
            self.values[: most[0]] += 1.0
            self.strides = list(np.cumsum([0, *most[:-1]]))

    def best(self, budget):
        """Return the shape that captures most within a budget, and the share that it captures.

        Of shapes that differ by rounding it is the one of fewest numbers.
        """
        _, captured = self._search(budget, None)
        return self._search(budget, captured - TIE)

    def cheapest(self, share):
        """Return the shape of fewest numbers that captures a share, and what it captures.

        The shape is None where the largest budget does not suffice.
        """
        return self._search(self.budget, share)

    def _search(self, budget, share):
        order = np.argsort(self.limits, kind="stable")  # the longest mode needs no enumeration
        rank, captured, complete = search(
            self.values,
            np.array(self.strides, dtype=np.int64)[order],
            np.array(self.shape, dtype=np.int64)[order],
            np.array(self.least)[order],
            np.minimum(self.limits, limits(self.shape, budget, self.least))[order],
            self.tabulated,
            share is not None,
            budget,
            0.0 if share is None else share,
            MOST_SHAPES,
        )
        if not complete and not self.tabulated:
            return self._integer_program(budget, share)
        if rank is None:
            return None, 0.0
        return tuple(int(r) for r in rank[np.argsort(order)]), captured

    def _integer_program(self, budget, share):
        """Do the same with an integer program for each bound on the product of the ranks."""
        n_modes, mode = len(self.limits), np.repeat(np.arange(len(self.limits)), self.limits)
        rank = np.concatenate([np.arange(1, n + 1) for n in self.limits])
        cost = np.array(self.shape)[mode] * rank
        logs = np.log(rank)
        one_each = (np.arange(n_modes)[:, None] == mode).astype(float)
        others = np.where(one_each > 0, logs, -logs)  # at most 0, or the rank is useless
        best = None, 0.0
        spent = budget + 1
        bounds = np.unique(GRID ** np.arange(np.log(budget) / np.log(GRID) + 1) // 1)
        for bound in bounds[bounds <= min(budget - sum(self.shape), prod(self.limits))]:
            linear = [
                LinearConstraint(one_each, 1, 1),
                LinearConstraint(others, -np.inf, 1e-9),
                LinearConstraint(logs, -np.inf, np.log(bound)),
                LinearConstraint(cost, -np.inf, budget - bound),
            ]
            if share is not None:
                linear.append(LinearConstraint(self.values, share, np.inf))
            solved = milp(
                -self.values if share is None else cost,
                constraints=linear,
                integrality=np.ones(len(rank)),
                bounds=Bounds(0, 1),
            )
            if solved.x is None:
                continue
            chosen = solved.x > 0.5
            found, captured = tuple(rank[chosen].tolist()), self.values[chosen].sum()
            used = n_params(self.shape, found)
            better = captured > best[1] if share is None else used < spent
            if used <= budget and (best[0] is None or better):
                best, spent = (found, float(captured)), used
        return best


def tail_shares(spectrum):
    """Return what is left of a spectrum without its first 1, 2, ... values, as shares."""
    tails = np.append(np.cumsum(spectrum[:0:-1])[::-1], 0.0)
    return tails / max(tails[0] + spectrum[0], np.finfo(float).tiny)


def best_for(X, spectra, budgets, *, table):
    """Return for each budget the core shape that captures most, and the share that it captures."""
    loss, tails = 1.0, CoreShapes(X, spectra, max(budgets), table=False)
    if table and prod(sorted(tails.limits)[:-1]) <= MOST_SHAPES:
        loss = 1.0 - tails.best(min(budgets))[1]  # which the best of the table does not exceed
    shapes = CoreShapes(X, spectra, max(budgets), table=True, loss=loss) if table else tails
    return [shapes.best(budget) for budget in budgets]


def cheapest_for(X, spectra, error, *, table):
    """Return the core shape of fewest numbers with a relative error, and what it captures."""
    # A shape whose tails add up to less would do, so that its cost bounds the search; unless it
    # has useless ranks, without which the truncation is another.
    allowed = error**2 / X.ndim
    enough = [int(np.argmax(tail_shares(a) <= allowed)) + 1 for _, a in spectra]
    budget, full = n_params(X.shape, enough), n_params(X.shape, X.shape)
    while True:
        shapes = CoreShapes(X, spectra, min(budget, full), table=table, loss=error**2)
        rank, captured = shapes.cheapest(1.0 - error**2)
        if rank is not None:
            return rank, captured
        if budget >= full:  # an error below rounding
            return shapes.best(full)
        budget *= 2
