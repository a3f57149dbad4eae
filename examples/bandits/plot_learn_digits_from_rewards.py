"""
Learn digits from rewards alone
===============================

Nobody says which digit a picture shows; the program names one, and is told whether that was right.
:class:`~skstruct.bandits.NeuralContextualBandit` predicts the loss of every answer by a small
network and tries others as long as they may be as good. How many wrong answers does it cost, and
does it know when to stop trying?
"""

# %%
# 4000 pictures, in reshuffled passes through the table. The reward of the right answer is 1.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler

from skstruct.bandits import NeuralContextualBandit

X, y = load_digits(return_X_y=True)
rng = np.random.RandomState(0)
rows = np.concatenate([rng.permutation(len(X)) for _ in range(3)])[:4000]
contexts, rewards = X[rows], np.eye(10)[y[rows]]


# %%
# For comparison, LinUCB: a ridge regression for each answer, with a bonus for what is unknown,
# ``alpha`` times its standard error. It gets pictures that are standardised in advance.
def lin_ucb(contexts, rewards, alpha):
    inverse = np.repeat(np.eye(contexts.shape[1])[None], 10, axis=0)
    theta = np.zeros((10, contexts.shape[1]))
    gained = []
    for x, r in zip(contexts, rewards, strict=True):
        spread = inverse @ x
        width = spread @ x
        a = np.argmax(theta @ x + alpha * np.sqrt(width))
        gain = spread[a] / (1 + width[a])
        theta[a] += gain * (r[a] - theta[a] @ x)
        inverse[a] -= np.outer(gain, spread[a])
        gained.append(r[a])
    return np.array(gained)


standardised = StandardScaler().fit_transform(X)[rows]
gained = {
    f"LinUCB, alpha = {alpha}": lin_ucb(standardised, rewards, alpha) for alpha in (0.1, 1.0)
}
gained["uniform"] = rewards[np.arange(4000), rng.randint(10, size=4000)]

# %%
# Three rules for the draw. Before every 50 rounds they are asked what they would do with the
# pictures to come: how probable is an answer that is not the best one, and what loss does that one
# promise?
explored, promised = {}, {}
for exploration, gamma in (("fastcb", 8.0), ("squarecb", 20.0), ("greedy", 8.0)):
    bandit = NeuralContextualBandit(10, exploration=exploration, gamma=gamma, random_state=0)
    bandit.decide(contexts[:1])  # begins
    parts, explored[exploration], promised[exploration] = [], [], []
    for begin in range(0, 4000, 50):
        now = slice(begin, begin + 50)
        explored[exploration].append(1 - bandit.predict_proba(contexts[now]).max(axis=1).mean())
        promised[exploration].append(1 - bandit.predict_reward(contexts[now]).max(axis=1).mean())
        parts.append(bandit.run(contexts[now], rewards[now]).rewards_)
    gained[exploration] = np.concatenate(parts)
for name, values in gained.items():
    print(f"{name:>19}: {1 - values.mean():.3f} wrong, {1 - values[-800:].mean():.3f} at the end")

# %%
# Greedy answers may be lucky, and may give up a digit for good. ``fastcb`` explores in proportion
# to the loss that the best answer promises: it stops where the network is sure, long before
# ``squarecb`` does.
figure, (top, bottom) = plt.subplots(2, 1, figsize=(8, 8), sharex=True, layout="constrained")
colors = dict(zip(gained, ["C0", "C1", "0.6", "C2", "C3", "C4"], strict=True))
for name, values in gained.items():
    style = "-" if name in explored else "--"
    top.plot(np.cumsum(1 - values), style, label=name, color=colors[name])
top.set(ylabel="wrong answers so far", ylim=(0, 1100), title="Digits, told only right or wrong")
top.legend(ncols=2, loc="upper right")
middle = np.arange(25, 4000, 50)
for name, color in (("fastcb", "C2"), ("squarecb", "C3")):
    bottom.plot(middle, explored[name], color=color, label=f"{name}: explores")
    bottom.plot(middle, promised[name], ":", color=color, label=f"{name}: loss promised")
bottom.set(xlabel="round", ylabel="mean of 50 pictures", yscale="log")
bottom.legend()
plt.show()
