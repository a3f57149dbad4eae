"""Stages of a search with a fixed number of pulls: a line of arms, a play-off.

A line keeps an interval of the arms centre + t v. Each phase pulls its ends and the two points a
third inside, and drops the third beyond the worse inner point; three arms are left to the last
phase. Phase l has B_l = a_l + R g^l / sum(g^l) pulls: one for each probe (a_l), and of the R left
over the more the narrower the interval is (g = growth). Neighbours that differ by D differ by
D m / 3 over an interval of m arms, and m falls by a third, so N m^2 falls slowly: the last phase
decides, and the error falls as exp(-n D^2 / sigma^2), however large the grid.

A line that is too long for its budget is searched on every s-th arm, with the least s for which
each phase can pull its new probes once: to drop a third unseen is to search blindly.

Where means tie, as they do on a plateau, the arm nearest to the centre leads: a search does not
wander off to the edge of what is equally good.

A stage has `arms`, those to pull in the phase under way, none at the end, and `n_pulls`, the
number of pulls that they share.
"""

import math

import numpy as np


class Line:
    """The arms centre + t step for lo <= t <= hi, of which each phase drops a third."""

    def __init__(self, centre, step, lo, hi, budget, n_probes, growth):
        self.centre = centre
        self.step = step
        self.lo = lo
        self.hi = hi
        self.n_probes = n_probes
        self._ends = phase_ends(hi - lo + 1, budget, n_probes, growth)
        self._spent = 0
        self._set_probes()

    @property
    def n_pulls(self):
        return self._ends[0] - self._spent

    def leader(self, means):
        """Return which of the arms is the best by these means."""
        return max(range(len(means)), key=lambda i: (means[i], -abs(self._probes[i])))

    def learn(self, means, n_pulls):
        """Take the means of the arms after so many more pulls."""
        self._spent += n_pulls
        del self._ends[0]
        if not self._ends:
            self.arms = []
            return
        third = (self.hi - self.lo) // 3
        if self.leader(means) < len(means) // 2:
            self.hi -= third
        else:
            self.lo += third
        self._set_probes()

    def _set_probes(self):
        lo, hi = self.lo, self.hi
        if len(self._ends) == 1:
            self._probes = range(lo, hi + 1)
        else:
            third = (hi - lo) // 3
            inner = [lo + third, hi - third]
            self._probes = inner if self.n_probes == 2 else [lo, *inner, hi]
        self.arms = [self.centre + t * self.step for t in self._probes]


class PlayOff:
    """Rounds of equal numbers of pulls, after each of which half of the arms stay."""

    def __init__(self, arms, budget):
        self.arms = arms
        self._rounds = max(1, (len(arms) - 1).bit_length())
        self._left = budget

    @property
    def n_pulls(self):
        return self._left // self._rounds

    def leader(self, means):
        """Return which of the arms is the best by these means."""
        return means.index(max(means))

    def learn(self, means, n_pulls):
        """Take the means of the arms after so many more pulls."""
        self._left -= n_pulls
        self._rounds -= 1
        n_stay = (len(self.arms) + 1) // 2 if self._rounds else 0
        order = sorted(range(len(means)), key=means.__getitem__, reverse=True)
        self.arms = [self.arms[i] for i in order[:n_stay]]


def phase_lengths(length):
    """Return how many arms of a line are left in each phase."""
    lengths = [length]
    while lengths[-1] > 3:
        lengths.append(lengths[-1] - (lengths[-1] - 1) // 3)
    return lengths


def new_probes(lengths, n_probes):
    """Return how many arms each phase pulls at least that those before it have not pulled."""
    if len(lengths) == 1:
        return np.array(lengths, dtype=float)
    inner = np.full(len(lengths) - 2, 2.0)
    return np.array([n_probes, *inner, 1 if n_probes == 4 else 3], dtype=float)


def affordable_stride(lo, hi, budget, n_probes):
    """Return the least stride with which every phase of lo..hi can pull its probes once.

    A line that is longer than its budget can search is searched on every second arm, or third,
    and so on; the one at 0 is always among them.
    """
    for stride in range(1, hi - lo + 1):
        lengths = phase_lengths(hi // stride - -(-lo // stride) + 1)
        if new_probes(lengths, n_probes).sum() <= budget:
            return stride
    return hi - lo + 1


def phase_ends(length, budget, n_probes, growth):
    """Return how many pulls of a line are spent at the end of each phase, a list of int."""
    lengths = phase_lengths(length)
    least = np.full(len(lengths), float(n_probes))
    least[-1] = lengths[-1]
    if budget <= least.sum():
        least = new_probes(lengths, n_probes)
    logs = math.log(growth) * np.arange(len(lengths))
    weights = np.exp(logs - logs.max())
    shares = least + (budget - least.sum()) * weights / weights.sum()
    return np.rint(np.cumsum(shares)).astype(int).tolist()


def water_fill(counts, n_pulls, most=None):
    """Return the counts after so many more pulls, each of which goes to the arm with the fewest.

    Of equal counts the first is raised. None is raised above `most`.
    """
    if most is not None:
        n_pulls = min(n_pulls, sum(max(0, most - count) for count in counts))
    if n_pulls <= 0:
        return list(counts)
    below, total = 0, n_pulls  # the arms to raise, and the sum of their counts at the end
    for count in sorted(counts):
        if below and count * below >= total:
            break
        below, total = below + 1, total + count
    level, rest = divmod(total, below)
    goals = [max(count, level) for count in counts]
    for i, count in enumerate(counts):
        if rest and count <= level:
            goals[i], rest = level + 1, rest - 1
    return goals
