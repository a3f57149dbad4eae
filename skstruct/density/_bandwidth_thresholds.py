"""Where a kernel density estimate leaves the central limit theorem, in closed form and from data.

At a typical point x the estimate is a sum of terms exp(-lam E_i), E_i = |x - y_i|^2 / 2,
lam = 1 / h^2. Near the lowest of n energies the levels are Poisson with density
exp(lam_c (E - E_min)), so that the terms have a power tail of index mu = lam_c / lam =
(h / h_G)^2, h_G = lam_c^-1/2, as in Derrida's random energy model:

    mu > 2        h > h_CLT = sqrt(2) h_G     the terms have a variance: central limit theorem
    1 < mu < 2                                a mean, but no variance: heavy tails
    mu < 1        h < h_G                     a few points carry the sum, E[sum_i P_i^2] = 1 - mu

For rows of a normal distribution with covariance eigenvalues s_j, saddle-point large deviations of
E give lam_c as the root of

    sum_j [log(1 + lam s_j) - lam s_j / (1 + lam s_j)^2] / 2
        + log(1 + 2 pi lam^2 K''(lam)) / 2 = log n,
    K''(lam) = sum_j [s_j^2 / (2 (1 + lam s_j)^2) + s_j^2 / (1 + lam s_j)^3],

of which the second term is the correction for finite dimension, and the lowest energy e_c =
sum_j [s_j / (1 + lam_c s_j) + s_j / (1 + lam_c s_j)^2] / 2. Below h_G the log-density is
-(d / 2) log h^2 - e_c / h^2, which h_KL^2 = 2 e_c / d maximises.
"""

from numbers import Real

import numpy as np
from scipy.optimize import brentq
from sklearn.utils.validation import check_array, check_scalar

from skstruct._lib.row_blocks import for_row_blocks
from skstruct.density._high_dimensional_kernel_density_fast import nearest

N_QUERIES = 512  # rows at which the edge of the distances is looked at


def gaussian_bandwidth_thresholds(n_samples, eigenvalues, finite_size=True):
    """Bandwidths at which a Gaussian kernel density of normal data changes its regime.

    Read more in the :ref:`User Guide <high_dimensional_kernel_density>`.

    Parameters
    ----------
    n_samples : float
        Number of rows of the estimate, more than 1.
    eigenvalues : array-like of shape (n_features,)
        Eigenvalues of the covariance matrix of the data; not negative, not all 0.
    finite_size : bool, default=True
        Whether to correct for the finite number of features. Without, the theory is that of the
        limit in which `n_features` and the logarithm of `n_samples` grow in proportion.

    Returns
    -------
    thresholds : dict
        Floats, in the unit of the data: "h_g", below which a few rows carry the estimate;
        "h_clt" = sqrt(2) "h_g", above which it obeys the central limit theorem; "h_kl", the
        bandwidth of least Kullback-Leibler divergence as far as it is below "h_g"; "nn_sq", the
        mean squared distance to the nearest row; "alpha", log(`n_samples`) / `n_features`.

    See Also
    --------
    HighDimensionalKernelDensity : Takes "h_kl" with ``bandwidth="rem"``.

    Notes
    -----
    The cost is that of one root of a function of `n_features` terms.

    References
    ----------
    .. [1] G. Biroli, M. Mezard, "Kernel Density Estimators in Large Dimensions", 2024,
       arXiv:2408.05807.

    Examples
    --------
    >>> from skstruct.density import gaussian_bandwidth_thresholds
    >>> thresholds = gaussian_bandwidth_thresholds(2000, [1.0] * 64)
    >>> {name: round(value, 3) for name, value in thresholds.items()}
    {'h_g': 1.435, 'h_clt': 2.029, 'h_kl': 1.061, 'nn_sq': 72.057, 'alpha': 0.119}
    """
    check_scalar(n_samples, "n_samples", Real, min_val=1, include_boundaries="neither")
    s = check_array(eigenvalues, ensure_2d=False, dtype=np.float64, input_name="eigenvalues")
    if s.ndim != 1 or not (s >= 0).all() or not s.any():
        raise ValueError(
            f"eigenvalues={eigenvalues!r}; a list of numbers is needed, none of them negative and "
            "not all 0."
        )
    unit = s.max()
    s = s / unit

    def excess(log_lam):
        u = np.exp(log_lam) * s
        entropy = np.log1p(u) - u / (1 + u) ** 2
        value = 0.5 * entropy.sum() - np.log(n_samples)
        if finite_size:
            fluctuation = (u**2 / (2 * (1 + u) ** 2) + u**2 / (1 + u) ** 3).sum()
            value += 0.5 * np.log1p(2 * np.pi * fluctuation)
        return value

    high = 1.0
    while excess(high) < 0:
        high *= 2
    low = -1.0
    while excess(low) > 0:
        low *= 2
    lam = np.exp(brentq(excess, low, high, xtol=1e-12))
    u = 1 + lam * s
    nn_sq = (s / u + s / u**2).sum()
    h_g = np.sqrt(unit / lam)
    return {
        "h_g": float(h_g),
        "h_clt": float(np.sqrt(2) * h_g),
        "h_kl": float(np.sqrt(unit * nn_sq / len(s))),
        "nn_sq": float(unit * nn_sq),
        "alpha": float(np.log(n_samples) / len(s)),
    }


def edge_bandwidth(Z, squares, weight, edge_k, n_jobs=None):
    """Return h_G of rows of any distribution: Hill's estimate of the slope at the lowest energies.

    The rows Z are distinct and in random order, `squares` their squared norms. At each of the
    first N_QUERIES, lam_c^-1 is the mean by which the `edge_k` lowest energies fall short of the
    next one; h_G^2 is its mean. Two rows have no slope between them: one carries all, and h_G is
    infinite.
    """
    k = min(edge_k, len(Z) - 2)
    if k == 0:
        return np.inf
    lowest = nearest_squared(Z, squares, min(N_QUERIES, len(Z)), k + 1, n_jobs)
    gaps = 0.5 * (lowest[:, k:] - lowest[:, :k]).mean(axis=1)
    return float(np.sqrt(np.average(gaps, weights=weight[: len(gaps)])))


def effective_size(weight):
    """Return the number of rows of equal weight that weigh as much: Kish's sample size."""
    share = weight / weight.sum()
    return float(1 / (share @ share))


def nearest_squared(Z, squares, n_rows, k, n_jobs=None):
    """Return the k smallest squared distances of each of the first rows of Z to the others."""
    out = np.empty((n_rows, k))

    def block(rows):
        nearest(Z[rows], Z, squares, rows.start, out[rows])

    for_row_blocks(block, n_rows, n_jobs)
    return out
