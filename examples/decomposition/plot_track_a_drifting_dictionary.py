"""
A dictionary that drifts, tracked with a fixed memory
=====================================================

The atoms that make up the samples turn a little with every batch. A schedule that averages over
ever more of the past falls behind; a constant momentum settles for a little noise and stays
close, if it is neither too small, which remembers what is no longer true, nor too large.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import expm
from scipy.stats import ortho_group

from skstruct.decomposition import OnlineOrthogonalDictionaryLearning

learners = {
    'schedule="fast"': {},
    'schedule="constant", momentum=0.02': {"schedule": "constant", "momentum": 0.02},
    'schedule="constant", momentum=0.1': {"schedule": "constant", "momentum": 0.1},
    'schedule="constant", momentum=1': {"schedule": "constant", "momentum": 1.0},
}
models = {
    label: OnlineOrthogonalDictionaryLearning(batch_size=200, random_state=0, **params)
    for label, params in learners.items()
}

# %%
# 600 batches of 200 samples, each with about three of 32 atoms
# -------------------------------------------------------------
rng = np.random.default_rng(0)
atoms, A = ortho_group.rvs(32, random_state=0), rng.standard_normal((32, 32))
turn = expm(0.003 * (A - A.T) / np.sqrt(32))
closeness = {label: [] for label in models}
for _ in range(600):
    atoms = atoms @ turn
    codes = rng.standard_normal((200, 32)) * (rng.random((200, 32)) < 0.1)
    for label, model in models.items():
        cosines = np.abs(model.partial_fit(codes @ atoms).components_ @ atoms.T)
        closeness[label].append(cosines.max(axis=1).mean())

# %%
# How close the learnt atoms stay to the true ones
# ------------------------------------------------
fig, axis = plt.subplots(figsize=(8, 5), layout="constrained")
for label, curve in closeness.items():
    axis.plot(200 * np.arange(1, 601), 1 - np.array(curve), label=label)
axis.set(
    xlabel="samples seen",
    ylabel="1 - mean cosine with the true atoms",
    yscale="log",
    ylim=(5e-4, 1),
)
axis.legend()
plt.show()
