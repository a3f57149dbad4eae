"""
Find the commit that made a test flaky
======================================

A test used to fail in one run of fifty and now fails in one of four. Which of 4,000 commits has
done it? Bisection trusts each answer, so every step has to repeat the test until its answer is
beyond doubt. :class:`~skstruct.bandits.NoisyBinarySearch` weighs all runs so far and repeats
nothing that it does not need.
"""

# %%
# A failure is the coin's 1; its probability jumps from .02 to .25 at the guilty commit.
import math

import matplotlib.pyplot as plt
import numpy as np

from skstruct.bandits import NoisyBinarySearch

n, before, after = 4000, 0.02, 0.25
tau, epsilon = (before + after) / 2, (after - before) / 2
guilty = 2718
rng = np.random.default_rng(0)
search = NoisyBinarySearch(n, tau, epsilon)
print(f"{search.budget_} runs planned, {search.capacity_:.3f} bits each")
search.run(lambda commit: rng.random() < (after if commit >= guilty else before))
print(f"commit {search.index_}, between {search.credible_interval()} with probability .9")


# %%
# How often each way is right, by the number of runs. Bisection shares them out to its twelve
# steps, and calls a commit bad if the rate of its failures is nearer to the new one.
def bisect(fails, n_runs):
    low, high, each = 0, n, n_runs // math.ceil(math.log2(n + 1))
    while low < high:
        middle = (low + high) // 2
        if sum(fails(middle) for _ in range(each)) > tau * each:
            high = middle
        else:
            low = middle + 1
    return low


budgets, n_histories = [60, 120, 180, 240, 360, 480], 60
right = np.zeros((2, len(budgets)))
for column, n_runs in enumerate(budgets):
    for history in range(n_histories):
        rng = np.random.default_rng(history)
        guilty_one = int(rng.integers(n))

        def fails(commit, rng=rng, guilty_one=guilty_one):
            return rng.random() < (after if commit >= guilty_one else before)

        found = NoisyBinarySearch(n, tau, epsilon, max_queries=n_runs).run(fails).index_
        right[:, column] += found == guilty_one, bisect(fails, n_runs) == guilty_one

# %%
# On the left, the runs of the first search: it comes back to the commits around the guilty one as
# long as they are in doubt.
figure, (left, side) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
failed = search.outcomes_ > 0
runs = np.arange(search.n_queries_)
left.plot(runs[~failed], search.queries_[~failed], ".", color="C2", label="passed")
left.plot(runs[failed], search.queries_[failed], "x", color="C3", label="failed")
left.axhline(guilty, color="0.5", lw=1)
left.set(xlabel="run", ylabel="commit", title="What is run")
left.legend()
for rates, label in zip(right / n_histories, ["noisy binary search", "bisection"], strict=True):
    side.plot(budgets, rates, "o-", label=label)
side.set(xlabel="runs", ylabel="share of right answers", ylim=(0, 1.02))
side.set_title(f"Right of {n_histories} histories")
side.legend()
plt.show()
