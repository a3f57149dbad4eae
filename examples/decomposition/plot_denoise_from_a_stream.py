"""
A photograph denoised by atoms learnt from its own stream of patches
====================================================================

Noisy patches come a few at a time, are learnt with ``partial_fit`` and are gone. A few hundred
milliseconds later their 64 orthogonal atoms denoise the photograph better than the cosines of
JPEG, which were designed for the purpose, and better than scikit-learn's recipe, which codes
every patch with a hundred atoms, in a tenth of the time.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.fft import dct
from sklearn.datasets import load_sample_image
from sklearn.decomposition import MiniBatchDictionaryLearning

from skstruct.decomposition import OnlineOrthogonalDictionaryLearning

warnings.filterwarnings("ignore", message=".*Orthogonal matching pursuit ended")
NOISE = 0.1


def photograph(name):
    """Grey, half the size, and the same with noise."""
    grey = load_sample_image(name)[:426].mean(axis=2) / 255
    clean = grey.reshape(213, 2, 320, 2).mean(axis=(1, 3))
    return clean, clean + NOISE * np.random.default_rng(0).standard_normal(clean.shape)


def centred_patches(image):
    """All patches of 8 x 8 pixels, less their means."""
    patches = np.lib.stride_tricks.sliding_window_view(image, (8, 8)).reshape(-1, 64)
    mean = patches.mean(axis=1, keepdims=True)
    return patches - mean, mean


def average(patches, shape):
    """The image whose pixels are the means of what the patches say of them."""
    patches = patches.reshape(shape[0] - 7, shape[1] - 7, 8, 8)
    total, count = np.zeros(shape), np.zeros(shape)
    for i in range(8):
        for j in range(8):
            window = np.s_[i : i + patches.shape[0], j : j + patches.shape[1]]
            total[window] += patches[:, :, i, j]
            count[window] += 1
    return total / count


def psnr(clean, image):
    return -10 * np.log10(np.mean((image - clean) ** 2))


# %%
# Learn from the stream, and look at the image at a few moments
# -------------------------------------------------------------
# Orthogonal atoms leave white noise white: a coefficient below 2.7 of its standard deviations
# most likely has nothing else in it.
def denoise_from_stream(clean, noisy):
    patches, mean = centred_patches(noisy)
    stream = patches[np.random.default_rng(0).permutation(len(patches))]
    model = OnlineOrthogonalDictionaryLearning(
        p=4, transform_algorithm="hard", transform_alpha=2.7 * NOISE, random_state=0
    )
    curve = []
    chunks = np.split(stream, 128 * np.array([1, 2, 4, 8, 16, 32, 64, 128, 256]))
    for chunk in chunks:
        model.partial_fit(chunk)
        denoised = average(model.inverse_transform(model.transform(patches)) + mean, clean.shape)
        curve.append((model.n_samples_seen_, psnr(clean, denoised)))
    return model.components_, denoised, np.array(curve).T


# %%
# Two others: cosines, and the recipe of scikit-learn's gallery
# -------------------------------------------------------------
def denoise_by_cosines(noisy):
    patches, mean = centred_patches(noisy)
    basis = dct(np.eye(8), norm="ortho", axis=0)
    basis = np.kron(basis, basis)
    codes = patches @ basis.T
    codes[np.abs(codes) <= 2.7 * NOISE] = 0
    return average(codes @ basis + mean, noisy.shape)


def denoise_by_minibatch(noisy):
    patches, mean = centred_patches(noisy)
    rows = np.random.default_rng(0).permutation(len(patches))[:20000]
    model = MiniBatchDictionaryLearning(
        100, alpha=1, batch_size=200, max_iter=10, transform_algorithm="omp",
        transform_n_nonzero_coefs=2, random_state=0,
    ).fit(patches[rows])  # fmt: skip
    return average(model.transform(patches) @ model.components_ + mean, noisy.shape)


# %%
# What the atoms are, and how soon they are good
# ----------------------------------------------
fig, axes = plt.subplots(2, 4, figsize=(15, 6), layout="constrained")
for name, (first, second, third, last) in zip(("china.jpg", "flower.jpg"), axes, strict=True):
    clean, noisy = photograph(name)
    atoms, denoised, (seen, quality) = denoise_from_stream(clean, noisy)
    for axis, image, title in ((first, noisy, "noisy"), (second, denoised, "denoised")):
        axis.imshow(image, cmap="gray", vmin=0, vmax=1)
        axis.set(title=f"{title}, {psnr(clean, image):.2f} dB")
    scaled = atoms / np.abs(atoms).max(axis=1, keepdims=True)
    strength = np.square(centred_patches(noisy)[0] @ atoms.T).sum(axis=0)
    tiles = scaled[np.argsort(-strength)].reshape(8, 8, 8, 8)
    tiles = np.pad(tiles, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=np.nan)
    third.imshow(tiles.swapaxes(1, 2).reshape(72, 72)[:-1, :-1], cmap="gray")
    third.set(title="atoms, strongest first")
    for axis in (first, second, third):
        axis.set_axis_off()
    last.semilogx(seen, quality, "o-", label="orthogonal atoms")
    for method, style, label in (
        (denoise_by_cosines, "--", "cosines"),
        (denoise_by_minibatch, ":", "MiniBatchDictionaryLearning, OMP"),
    ):
        last.axhline(psnr(clean, method(noisy)), color="black", linestyle=style, label=label)
    last.set(xlabel="patches seen", ylabel="PSNR (dB)")
axes[0, 3].legend()
plt.show()
