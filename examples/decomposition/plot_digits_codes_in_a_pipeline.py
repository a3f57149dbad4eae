"""
How many atoms a digit needs: codes in a pipeline
=================================================

A k-sparse autoencoder turns each digit into a few of 256 atoms, and a linear classifier reads the
digit off their values. How many to keep is a parameter like any other: a grid search tries them.
With one atom a digit, the atoms are whole digits; with many, they are parts that many digits
share.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from skstruct.decomposition import KSparseAutoencoder

X, y = load_digits(return_X_y=True)
X = X.astype(np.float32)
folds = StratifiedKFold(4, shuffle=True, random_state=0)

# %%
# Search over the number of atoms
# -------------------------------
# The codes go on as a sparse matrix. Dividing each column by its largest value gives the penalty
# of the classifier the same meaning for all atoms, and keeps the zeros.
classifier = LogisticRegression(C=100, max_iter=2000)
pipeline = make_pipeline(
    KSparseAutoencoder(256, max_iter=40, sparse_output=True, random_state=0),
    MaxAbsScaler(),
    classifier,
)
ks = [1, 2, 4, 8, 16, 32, 64]
factors = [1.0, 2.0]
search = GridSearchCV(
    pipeline,
    {"ksparseautoencoder__n_nonzero": ks, "ksparseautoencoder__encode_factor": factors},
    cv=folds,
).fit(X, y)
accuracy = search.cv_results_["mean_test_score"].reshape(len(factors), len(ks))

# %%
# What a classifier makes of the pixels, and of principal components
# ------------------------------------------------------------------
raw = cross_val_score(make_pipeline(MaxAbsScaler(), classifier), X, y, cv=folds).mean()
pca = cross_val_score(make_pipeline(PCA(40), MaxAbsScaler(), classifier), X, y, cv=folds).mean()

# %%
# Accuracy, and the atoms that are used most
# ------------------------------------------
fig = plt.figure(figsize=(11, 5), layout="constrained")
left, right = fig.subfigures(1, 2, width_ratios=(1, 1.1))
axis = left.subplots()
for factor, scores in zip(factors, accuracy, strict=True):
    axis.semilogx(ks, scores, "o-", base=2, label=f"codes, encode_factor={factor:g}")
axis.axhline(raw, color="black", linestyle="--", label="pixels")
axis.axhline(pca, color="tab:gray", linestyle=":", label="40 principal components")
axis.set_xticks(ks, labels=ks)
axis.set(xlabel="n_nonzero", ylabel="accuracy of 4 folds", title="Digits from 256 atoms")
axis.legend()
rows = right.subfigures(3, 1)
for row, k in zip(rows, (1, 8, 64), strict=True):
    autoencoder = KSparseAutoencoder(256, k, max_iter=40, random_state=0).fit(X)
    energy = (autoencoder.transform(X) ** 2).sum(axis=0)
    most_used = np.argsort(-energy)[:24]
    row.suptitle(f"atoms for n_nonzero={k}")
    for axis, atom in zip(
        row.subplots(2, 12).flat, autoencoder.components_[most_used], strict=True
    ):
        largest = np.abs(atom).max()
        axis.imshow(atom.reshape(8, 8), cmap="RdBu_r", vmin=-largest, vmax=largest)
        axis.set_axis_off()
plt.show()
