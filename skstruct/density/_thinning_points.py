"""Points and a kernel, with what thinning asks of them; `_thinning.py` is written in these terms.

Points are named by their index. `lists` are rows of indices, all of one length; `room[z]` says how
often point z may still be chosen, and `sums[z]` is the sum of k(y, z) over the chosen y.
"""

from copy import copy

import numpy as np

from skstruct._lib._kernel_sums import kernel_values, make_kernel, signed_sums, squared_norms
from skstruct._lib.row_blocks import for_row_blocks, one_blas_thread
from skstruct.density import _kernel_thinning_fast as fast
from skstruct.density._kernel_coordinates import least_bandwidth
from skstruct.density._thinning_table import magnitude

BLOCK = 64
N_STRIPES = 8
MANY_VALUES = 5e6  # about 10 ms, ten times what it takes to start threads
FAR = 1e15


def power_kernel(name, bandwidth, power):
    """Return a kernel whose spectral density is a power of that of another, or None.

    exp(-a h^2 w^2 / 2) is that of a Gaussian of bandwidth h sqrt a. That of a Matern kernel of
    length l is (1 / l^2 + w^2)^-(nu + d/2), so that its power a = (nu - 1 + d/2) / (nu + d/2) is
    the Matern kernel of the same length and nu - 1.
    """
    if name == "gaussian":
        return "gaussian", bandwidth * np.sqrt(power)
    if name == "matern52":
        return "matern32", bandwidth * np.sqrt(3 / 5)
    if name == "matern32":
        return "laplace", bandwidth / np.sqrt(3)
    return None


class RadialPoints:
    """Points under a kernel of the compiled core.

    Parameters
    ----------
    X : ndarray of shape (n_points, n_features)
        Different rows.
    name, bandwidth : str and float
        The kernel.
    split_kernel, power : str and float
        Which kernel halves.
    n_jobs : int or None
        Number of threads.
    """

    def __init__(self, X, name, bandwidth, split_kernel, power, n_jobs):
        self.scale = magnitude(X)
        self.center = (X / self.scale).mean(axis=0, dtype=np.float64)
        self.n_jobs = n_jobs
        h = float(np.clip(bandwidth / self.scale, 1e-100, 1e100))
        Z = self._framed(X, X.dtype)
        norms = np.einsum("ij,ij->i", Z, Z, dtype=np.float64)
        if least_bandwidth(np.median(norms)) > h:
            raise ValueError(
                f"bandwidth={bandwidth:g} is too small for rows that are "
                f"{np.sqrt(np.median(norms)) * self.scale:g} away from their mean, whose "
                "distances are not known so exactly."
            )
        if least_bandwidth(norms.max(), Z.dtype) > h:
            Z = self._framed(X, np.float64)
        self._place(Z)
        self.kernel = make_kernel(name, h)
        self.split_kernels = [self.kernel]
        if split_kernel != "target":
            self.split_kernels.append(make_kernel(*power_kernel(name, h, power)))
        if split_kernel == "power":
            del self.split_kernels[0]

    def _framed(self, X, dtype):
        """Return rows centred and of order 1, so that no square overflows or loses digits."""
        with np.errstate(over="ignore"):
            Z = X / self.scale
        Z = np.clip(Z, -FAR, FAR, out=Z).astype(dtype, copy=False)
        Z -= self.center.astype(dtype)
        return Z

    def _place(self, Z):
        self.Z, self.squares = Z, np.empty(len(Z), Z.dtype)
        squared_norms(Z, self.squares)

    def __len__(self):
        return len(self.Z)

    def take(self, rows):
        """Return some of the points."""
        points = copy(self)
        points._place(self.Z[rows])
        return points

    def like(self, X):
        """Return other rows as points under the same kernel."""
        points = copy(self)
        points._place(self._framed(X, self.Z.dtype))
        return points

    def _share_out(self, function, n_items, n_values, block=1):
        """Call a function on slices of the items, in threads if there is enough to do."""
        for_row_blocks(function, n_items, self.n_jobs if n_values > MANY_VALUES else 1, block)

    def values(self, points):
        """Return k between each of some points and each of these."""
        out = np.empty((len(points), len(self)), self.Z.dtype)

        def fill(rows):
            kernel_values(points.Z[rows], self.Z, self.squares, self.kernel, out[rows])

        self._share_out(fill, len(points), out.size, BLOCK)
        return out

    def sums(self, coef, points):
        """Return sum_j coef_j k(x_j, y_i) for all points y_i of another set."""
        coef, out = coef.astype(self.Z.dtype), np.empty(len(points))

        def fill(rows):
            signed_sums(points.Z[rows], self.Z, self.squares, coef, self.kernel, out[rows])

        self._share_out(fill, len(points), len(points) * len(self), BLOCK)
        return out

    def own_sums(self, coef):
        """Return sum_j coef_j k(x_j, x_i) for all points i; each pair is looked at once."""
        coef = coef.astype(self.Z.dtype)
        part = 1 - np.sqrt(1 - np.arange(N_STRIPES + 1) / N_STRIPES)  # of equal areas
        cuts = np.minimum(BLOCK * np.ceil(part * len(self) / BLOCK).astype(int), len(self))
        sums = np.zeros((N_STRIPES, len(self)))

        def add(stripes):
            for i in range(stripes.start, stripes.stop):
                fast.own_sums(
                    self.Z, self.squares, self.kernel, coef, cuts[i], cuts[i + 1], sums[i]
                )

        self._share_out(add, N_STRIPES, len(self) ** 2 // 2)
        return sums.sum(axis=0)

    def halve(self, lists, log_term, uniforms):
        """Return the halves of each list, one after the other."""
        n_lists, n_rows = lists.shape
        children = np.empty((2 * n_lists, n_rows // 2), dtype=np.intp)

        def fill(some):
            fast.halve(
                self.Z, self.squares, lists[some], self.split_kernels, log_term, uniforms[some],
                children[2 * some.start : 2 * some.stop],
            )  # fmt: skip

        self._share_out(fill, n_lists, n_lists * n_rows**2 // 2)
        return children

    def refine_halves(self, children):
        """Bring the first of each two halves nearer to the mean of both, by one sweep of swaps."""
        n_lists, n_rows = len(children) // 2, 2 * children.shape[1]

        def refine(some):
            halves = children[2 * some.start : 2 * some.stop]
            fast.refine_halves(self.Z, self.squares, self.kernel, halves)

        self._share_out(refine, n_lists, 2 * n_lists * n_rows**2)

    def self_sums(self, lists):
        """Return the sum of k over all pairs of points of each list."""
        out = np.empty(len(lists))

        def fill(some):
            fast.self_sums(self.Z, self.squares, self.kernel, lists[some], out[some])

        self._share_out(fill, len(lists), len(lists) * lists.shape[1] ** 2)
        return out

    def sweep(self, mean, chosen, room, sums, repair=False):
        """Replace each chosen point by the best that has room; return how many changed."""
        with one_blas_thread():
            return fast.sweep(self.Z, self.squares, self.kernel, mean, chosen, room, sums, repair)

    def herd(self, mean, room, n_chosen):
        """Choose points greedily."""
        chosen = np.empty(n_chosen, dtype=np.intp)
        with one_blas_thread():
            fast.herd(self.Z, self.squares, self.kernel, mean, room, chosen)
        return chosen


class CallablePoints:
    """Points under a kernel given as a function; the same methods, in NumPy.

    Parameters
    ----------
    X : ndarray of shape (n_points, n_features)
        As the function takes them.
    function : callable
        ``function(A, B)`` returns the values for all rows of A and of B.
    """

    def __init__(self, X, function):
        self.X = X
        self.function = function
        blocks = [X[start : start + BLOCK] for start in range(0, len(X), BLOCK)]
        self.diagonal = np.concatenate([self._values(Q, Q).diagonal() for Q in blocks])

    def __len__(self):
        return len(self.X)

    def take(self, rows):
        points = copy(self)
        points.X, points.diagonal = self.X[rows], self.diagonal[rows]
        return points

    def _values(self, A, B):
        K = np.asarray(self.function(A, B), dtype=np.float64)
        if K.shape != (len(A), len(B)) or not np.isfinite(K).all():
            raise ValueError(
                f"kernel={self.function!r} returned an array of shape {K.shape} for {len(A)} and "
                f"{len(B)} rows; it must return finite values of shape ({len(A)}, {len(B)})."
            )
        return K

    def like(self, X):
        return CallablePoints(X, self.function)

    def values(self, points):
        return self._values(points.X, self.X)

    def sums(self, coef, points):
        X, starts = points.X, range(0, len(points), BLOCK)
        return np.concatenate([self._values(X[s : s + BLOCK], self.X) @ coef for s in starts])

    def own_sums(self, coef):
        return self.sums(coef, self)

    def halve(self, lists, log_term, uniforms):
        children = np.empty((2 * len(lists), lists.shape[1] // 2), dtype=np.intp)
        sign = np.empty(lists.shape[1])
        for i, members in enumerate(lists):
            Z, sigma2 = self.X[members], 0.0
            for start in range(0, len(Z), BLOCK):
                block = slice(start, start + BLOCK)
                inner = np.zeros(len(Z[block]))
                for before in range(0, start, BLOCK):
                    earlier = slice(before, before + BLOCK)
                    inner += self._values(Z[block], Z[earlier]) @ sign[earlier]
                sigma2 = fast.walk_block(
                    np.ascontiguousarray(self._values(Z[block], Z[block])), inner, log_term,
                    sigma2, uniforms[i, start // 2 :], sign[block],
                )  # fmt: skip
            children[2 * i] = members[sign < 0]
            children[2 * i + 1] = members[sign > 0]
        return children

    def refine_halves(self, children):
        half = children.shape[1]
        for i in range(0, len(children), 2):
            members = children[i : i + 2].ravel()
            points, chosen = self.take(members), np.arange(half)
            first, room = np.repeat((1.0, 0.0), half), np.repeat((0, 1), half)
            sums = points.own_sums(first)
            mean = (sums + points.own_sums(1.0 - first)) / (2 * half)
            points.sweep(mean, chosen, room, sums)
            children[i], children[i + 1] = members[chosen], members[room > 0]

    def self_sums(self, lists):
        return np.array(
            [self.take(members).own_sums(np.ones(len(members))).sum() for members in lists]
        )

    def sweep(self, mean, chosen, room, sums, repair=False):
        n_chosen, n_changed = len(chosen), 0
        target = mean - self.diagonal / (2 * n_chosen)
        for t, i in enumerate(chosen):
            if repair and room[i] >= 0:
                continue
            (old,) = self._values(self.X[[i]], self.X)
            room[i] += 1
            value = np.where(room > 0, (sums - old) / n_chosen - target, np.inf)
            best = i if value[i] == value.min() else value.argmin()
            room[best] -= 1
            if best != i:
                sums += self._values(self.X[[best]], self.X)[0] - old
                chosen[t] = best
                n_changed += 1
        return n_changed

    def herd(self, mean, room, n_chosen):
        chosen, sums = np.empty(n_chosen, dtype=np.intp), np.zeros(len(self.X))
        for t in range(n_chosen):
            value = np.where(room > 0, mean - sums / (t + 1), -np.inf)
            chosen[t] = value.argmax()
            room[chosen[t]] -= 1
            sums += self._values(self.X[chosen[[t]]], self.X)[0]
        return chosen
