"""Thinning: from weighted points to a few of them that have nearly the same mean embedding.

KT-SPLIT halves a list r times. Round j walks through each list in pairs (x, x') [1]_:

    b2 = k(x, x) + k(x', x') - 2 k(x, x'),  a = max(b sigma sqrt(2 log(2 / delta_p)), b2)
    alpha = sum over earlier y of s_y (k(y, x) - k(y, x'))     s_y: -1 if y went left, else 1
    x' goes left, and x right, with probability (1 - alpha / a) / 2, else x left and x' right
    sigma^2 grows by b2 max(0, 1 + (b2 - 2 a) sigma^2 / a^2)   for the next pair

with delta_p = delta 2^(j - 1) / (n r); `log_term` in the code is 2 log(2 / delta_p). Of the 2^r
lists, of every 2^r-th row and of a greedy choice (herding), KT-SWAP takes the one with the least
discrepancy and sweeps over it: each point gives way to that one of all points with which the mean
of the coreset is nearest to that of the table.

Compress++ [2]_ halves before that within bins of 4^p rows: lists of 4^g rows each are joined by
four and halved (a round of KT-SPLIT, a sweep, and a fair coin for which of the halves), level by
level, so that a bin leaves 2^(g + p) rows after kernel matrices of no more than twice that.
"""

import numpy as np

from skstruct.density._thinning_table import equal_weight_rows

N_BINS = 16


def kernel_thin(points, weight, capacity, n_chosen, *, delta, swap_passes, herding, random_state):
    """Choose points by KT-SPLIT and KT-SWAP; a generator, which yields after each round and sweep.

    What is sent to it, if true, says that sweeps may be left out.

    Parameters
    ----------
    points : RadialPoints or CallablePoints
        In random order.
    weight : ndarray of shape (n_points,)
        Their weights, with sum 1.
    capacity : ndarray of shape (n_points,)
        How often each may be chosen.
    n_chosen : int
        How many points to choose, not more than the sum of `capacity`.
    delta, swap_passes, herding, random_state
        As of KernelThinning.

    Returns
    -------
    chosen : ndarray of shape (n_chosen,)
        Indices of points.
    mean : ndarray of shape (n_points,)
        Means of the kernel between each point and all.
    """
    mean = points.own_sums(weight)
    n_rounds = (max(len(points), n_chosen) // n_chosen).bit_length() - 1
    rows = equal_weight_rows(weight, max(len(points), n_chosen), random_state)
    rows = rows[: n_chosen << n_rounds]
    lists, stop = rows[np.newaxis], False
    for j in range(n_rounds):
        log_term = 2 * np.log(2 * len(rows) * n_rounds / (delta * 2**j))
        uniforms = random_state.uniform(size=(len(lists), lists.shape[1] // 2))
        lists = points.halve(lists, log_term, uniforms)
        stop = yield
    lists = [*lists, rows[:: 1 << n_rounds]]
    if herding:
        lists.append(points.herd(mean, capacity.copy(), n_chosen))
    lists = np.array(lists)
    distance = points.self_sums(lists) / n_chosen**2 - 2 * mean[lists].mean(axis=1)
    chosen = lists[distance.argmin()]
    room = capacity - np.bincount(chosen, minlength=len(points))
    sums = points.take(chosen).sums(np.ones(n_chosen), points)
    if room.min() < 0:
        points.sweep(mean, chosen, room, sums, repair=True)
    for _ in range(swap_passes):
        if stop or points.sweep(mean, chosen, room, sums) == 0:
            break
        stop = yield
    return chosen, mean


def compress(points, rows, p, oversampling, *, delta, random_state):
    """Return 2^(g + p) of each 4^p of the rows; a generator, which yields after each level."""
    n_levels = p - oversampling
    n_bins = len(rows) >> (2 * p)
    lists = rows[: n_bins << (2 * p)].reshape(-1, 4**oversampling)
    for _ in range(n_levels):
        lists = lists.reshape(-1, 4 * lists.shape[1])
        n_lists, n_rows = lists.shape
        log_term = 2 * np.log(2 * n_rows * n_lists * n_levels / delta)
        uniforms = random_state.uniform(size=(n_lists, n_rows // 2))
        coins = random_state.randint(2, size=n_lists)
        halves = points.halve(lists, log_term, uniforms)
        points.refine_halves(halves)
        lists = halves.reshape(n_lists, 2, -1)[np.arange(n_lists), coins]
        yield
    return lists.ravel()


def compress_plus_plus(points, weight, capacity, n_chosen, oversampling, *, delta, **options):
    """Choose points as kernel_thin does, which gets no more than it can take in linear time.

    Bins are so large that about 2^(g + 2) n_chosen rows remain, but there are at least N_BINS of
    them, so that few rows are left over; where they cannot be as large as that, the rows that
    remain are compressed again.
    """
    random_state = options["random_state"]
    rows = equal_weight_rows(weight, max(len(points), n_chosen), random_state)
    while True:
        p = min(
            round(np.log2(len(rows) / (4 * n_chosen))),
            int(np.log2(len(rows) / N_BINS) / 2),
        )
        if p <= oversampling:
            break
        delta /= 2
        rows = yield from compress(
            points, rows, p, oversampling, delta=delta, random_state=random_state
        )
    kept, counts = np.unique(rows, return_counts=True)
    if capacity[kept].sum() < n_chosen:
        more = np.setdiff1d(np.arange(len(points)), kept)[:n_chosen]
        kept, counts = np.append(kept, more), np.append(counts, np.zeros(len(more)))
    chosen, _ = yield from kernel_thin(
        points.take(kept), counts / counts.sum(), capacity[kept], n_chosen, delta=delta, **options
    )
    return kept[chosen], None


def squared_discrepancy(coreset, coreset_weight, points, weight, means=None):
    """Return the squared maximum mean discrepancy of two weighted sets; both weights have sum 1.

    `means`, of the kernel between the points of each set and all of `points`, where they are known
    already, spare n_points^2 / 2 kernel values.
    """
    if means is None:
        cross = coreset_weight @ points.sums(weight, coreset)
        own = weight @ points.own_sums(weight)
    else:
        cross, own = coreset_weight @ means[0], weight @ means[1]
    within = coreset_weight @ coreset.own_sums(coreset_weight)
    return max(within - 2 * cross + own, 0.0)
