"""
How many samples are enough?
============================

A learning curve fits the model at every training size to answer a question about one of them:
from which size on is it good enough? :class:`~skstruct.model_selection.ThresholdSearchCV` asks one
size at a time, on one random split, whether the target is reached, and goes to where the answers
change from no to yes.
"""

# %%
# The smallest training set with which a logistic regression has a median accuracy of .93 on the
# digits. 59 sizes are in question.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from skstruct.bandits import NoisyBinarySearch
from skstruct.model_selection import ThresholdSearchCV

X, y = load_digits(return_X_y=True)
X /= 16
model = LogisticRegression(tol=1e-3)
sizes = np.arange(60, 1221, 20)
target, epsilon = 0.93, 0.25
search = ThresholdSearchCV(
    model, "train_size", sizes, target=target, epsilon=epsilon, random_state=0
).fit(X, y)
print(f"{search.best_value_} samples, said after {search.n_fits_} fits")

# %%
# What the search has believed after each fit: its answers told again, one by one.
replay = NoisyBinarySearch(len(sizes), epsilon=epsilon)
beliefs = []
for x, reached in zip(search.search_.queries_, search.search_.outcomes_, strict=True):
    replay.tell(x, reached)
    start, probability = replay.posterior_
    beliefs.append(np.repeat(probability, np.diff([*start, len(sizes) + 1]))[:-1])

# %%
# The truth, from 30 splits at some sizes: beyond the threshold more than half of them reach the
# target. Sizes whose share is in the band around a half may be taken for either side.
some = np.arange(100, 501, 40)
shares = []
for size in some:
    scores = []
    for seed in range(30):
        train, test, labels, truth = train_test_split(
            X, y, train_size=size, test_size=len(y) // 5, stratify=y, random_state=seed
        )
        scores.append(model.fit(train, labels).score(test, truth))
    shares.append(np.mean(np.array(scores) >= target))

# %%
# Above, the belief darkens as fits answer yes (dots) and no (crosses); below, the true shares.
figure, (above, below) = plt.subplots(
    2, 1, figsize=(8, 7), sharex=True, height_ratios=[2, 1], layout="constrained"
)
rows = np.arange(1, len(beliefs) + 1)
above.pcolormesh(sizes, rows, np.sqrt(beliefs), cmap="Blues", shading="nearest")
asked, reached = sizes[search.search_.queries_], search.search_.outcomes_ > 0
above.plot(asked[reached], rows[reached], "o", ms=4, color="C2", label="reached")
above.plot(asked[~reached], rows[~reached], "x", ms=4, color="C3", label="not reached")
above.set(ylabel="fit", title="What is believed of the threshold")
above.legend()
below.axhspan(0.5 - epsilon, 0.5 + epsilon, color="0.9")
below.axhline(0.5, color="0.6", lw=1)
below.plot(some, shares, "o-", color="0.2")
below.axvline(search.best_value_, color="C0", label=f"answer: {search.best_value_}")
below.set(xlabel="training samples", ylabel=f"share of splits with {target} or more")
below.set_xlim(60, 620)
below.legend()
plt.show()
