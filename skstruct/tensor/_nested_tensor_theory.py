"""How well classes can be found in noisy views: closed forms for the nested matrix-tensor model.

With n_M = n_1 + n_2, n_T = n_M + n_3, c_i = n_i / n_M, unit x, y, z and Gaussian W, Z,

    T = beta_t M o z + W / sqrt(n_T),      M = beta_m x y' + Z / sqrt(n_M).

If z is known, T z is a spike x y' in noise of variance s = beta_t^2 / n_M + 1 / n_T: of strength
u = beta_t^2 beta_m^2 / (s n_M) (squared) in units of its noise, and y is found up to

    a = (u^2 - c_1 c_2) / (u (u + c_2)).

In the unfolding, turned so that z is the first view, (T z)'(T z) is met by an independent Wishart
matrix, n_1 (n_3 - 1) rows of variance 1 / n_T. Free addition of that moves the spike of T z, where
the resolvent of its noise has the value 1 / (u + c_2), and divides the alignment by the derivative
of the move. What remains is a difference of two terms, with k = n_1 (n_3 - 1) n_2 / n_T^2:

    a = [(u^2 - c_1 c_2) / u - k u / (beta_t^2 (beta_m^2 + c_2))^2] / (u + c_2),

which is 0 at a root of a quadratic in beta_t^2.
"""

import numpy as np
from scipy.special import ndtr


def _model(beta_m, beta_t, n_features, n_samples, n_views):
    """Return beta_m^2, beta_t^2, c_1 c_2, c_2, n_M / n_T and k; sizes and signals are checked."""
    for name, beta in (("beta_m", beta_m), ("beta_t", beta_t)):
        if not np.all(np.asarray(beta) >= 0):
            raise ValueError(f"{name}={beta}; it must not be negative.")
    sizes = {"n_features": n_features, "n_samples": n_samples, "n_views": n_views}
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name}={size}; it must be at least 1.")
    n_m = n_features + n_samples
    n_t = n_m + n_views
    c_2 = n_samples / n_m
    k = n_features * (n_views - 1) * n_samples / n_t**2
    squares = np.square(beta_m, dtype=np.float64), np.square(beta_t, dtype=np.float64)
    return *squares, (1 - c_2) * c_2, c_2, n_m / n_t, k


def _alignment(beta_m, beta_t, n_features, n_samples, n_views, *, known):
    m, t, c_12, c_2, e, k = _model(beta_m, beta_t, n_features, n_samples, n_views)
    u = t * m / (t + e)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        lost = 0.0 if known else k * u / (t * (m + c_2)) ** 2
        found = ((u**2 - c_12) / u - lost) / (u + c_2)
    return np.where(u**2 > c_12, np.maximum(found, 0.0), 0.0)[()]


def _threshold(beta_m, n_features, n_samples, n_views, *, known):
    m, _, c_12, c_2, e, k = _model(beta_m, 0.0, n_features, n_samples, n_views)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        q = c_12 / m**2
        lost = 0.0 if known else k / (m + c_2) ** 2
        t = (q * e + np.sqrt(q * e**2 + (1 - q) * lost)) / (1 - q)
    return np.where(q < 1, np.sqrt(np.maximum(t, 0.0)), np.inf)[()]


def alignment_tensor(beta_m, beta_t, n_features, n_samples, n_views):
    """Squared cosine of the classes and the best estimate of them from the tensor.

    It is that of an estimate that knows how the views weigh, in the limit of many features and
    samples: the upper bound of what can be expected.

    Parameters
    ----------
    beta_m : float or array-like
        Signal of the classes in the matrix that all views see, whose noise has variance
        1 / (n_features + n_samples).
    beta_t : float or array-like
        Signal of that matrix in the views, whose noise has variance
        1 / (n_features + n_samples + n_views). It broadcasts with `beta_m`.
    n_features, n_samples, n_views : int
        Sizes of the tensor.

    Returns
    -------
    alignment : float or ndarray
        <y, y_found>^2 of the unit vectors of the classes and of their estimate, in [0, 1).

    Raises
    ------
    ValueError
        If a signal is negative or a size below 1.

    See Also
    --------
    alignment_unfolding : That of the estimate that takes views for features.
    expected_accuracy : What share of the samples is labelled rightly.
    threshold_tensor : Where it begins to exceed 0.

    References
    ----------
    .. [1] H. Lebeau, M. E. A. Seddik, J. H. de M. Goulart, "Performance Gaps in Multi-view
       Clustering under the Nested Matrix-Tensor Model", ICLR 2024, arXiv:2402.10677.

    Examples
    --------
    >>> from skstruct.tensor import alignment_tensor, alignment_unfolding
    >>> sizes = dict(n_features=150, n_samples=300, n_views=60)
    >>> float(alignment_tensor(2, 0.506, **sizes).round(3))
    0.417
    >>> float(alignment_unfolding(2, 0.506, **sizes))
    0.0
    """
    return _alignment(beta_m, beta_t, n_features, n_samples, n_views, known=True)


def alignment_unfolding(beta_m, beta_t, n_features, n_samples, n_views):
    """Squared cosine of the classes and the estimate that takes all views for further features.

    Parameters
    ----------
    beta_m : float or array-like
        Signal of the classes in the matrix that all views see, whose noise has variance
        1 / (n_features + n_samples).
    beta_t : float or array-like
        Signal of that matrix in the views, whose noise has variance
        1 / (n_features + n_samples + n_views). It broadcasts with `beta_m`.
    n_features, n_samples, n_views : int
        Sizes of the tensor.

    Returns
    -------
    alignment : float or ndarray
        <y, y_found>^2 for the first left singular vector of the samples x (features and views), in
        [0, 1).

    Raises
    ------
    ValueError
        If a signal is negative or a size below 1.

    See Also
    --------
    alignment_tensor : That of the best estimate.
    threshold_unfolding : Where it begins to exceed 0.

    Notes
    -----
    The terms that vanish as all sizes grow are kept: without them, at 150 x 300 x 60, .80 would
    be .89.

    References
    ----------
    .. [1] H. Lebeau, M. E. A. Seddik, J. H. de M. Goulart, "Performance Gaps in Multi-view
       Clustering under the Nested Matrix-Tensor Model", ICLR 2024, arXiv:2402.10677.

    Examples
    --------
    >>> from skstruct.tensor import alignment_unfolding
    >>> alignment_unfolding(2, [0.5, 1.0, 2.0], 150, 300, 60).round(2)
    array([0.  , 0.37, 0.79])
    """
    return _alignment(beta_m, beta_t, n_features, n_samples, n_views, known=False)


def threshold_tensor(beta_m, n_features, n_samples, n_views):
    """Signal of the views above which the best estimate from the tensor finds something.

    Parameters
    ----------
    beta_m : float or array-like
        Signal of the classes in the matrix that all views see.
    n_features, n_samples, n_views : int
        Sizes of the tensor.

    Returns
    -------
    beta_t : float or ndarray
        Where :func:`alignment_tensor` leaves 0; infinity where `beta_m` is too weak for any.

    Raises
    ------
    ValueError
        If `beta_m` is negative or a size below 1.

    Examples
    --------
    >>> from skstruct.tensor import threshold_tensor
    >>> threshold_tensor([0.5, 1.2, 2.0, 3.0], 150, 300, 60).round(3)
    array([  inf, 0.655, 0.343, 0.221])
    """
    return _threshold(beta_m, n_features, n_samples, n_views, known=True)


def threshold_unfolding(beta_m, n_features, n_samples, n_views):
    """Signal of the views above which the unfolding shows something of the classes.

    Between :func:`threshold_tensor` and this, the classes can be found, and not by a method that
    takes the views for further features.

    Parameters
    ----------
    beta_m : float or array-like
        Signal of the classes in the matrix that all views see.
    n_features, n_samples, n_views : int
        Sizes of the tensor.

    Returns
    -------
    beta_t : float or ndarray
        Where :func:`alignment_unfolding` leaves 0; infinity where `beta_m` is too weak for any.

    Raises
    ------
    ValueError
        If `beta_m` is negative or a size below 1.

    Examples
    --------
    >>> from skstruct.tensor import threshold_unfolding
    >>> threshold_unfolding([0.5, 1.2, 2.0, 3.0], 150, 300, 60).round(3)
    array([ inf, 1.32 , 0.843, 0.58 ])
    """
    return _threshold(beta_m, n_features, n_samples, n_views, known=False)


def expected_accuracy(alignment):
    """Share of the samples that two balanced classes label rightly at an alignment.

    Parameters
    ----------
    alignment : float or array-like
        Squared cosine of the classes and their estimate, in [0, 1].

    Returns
    -------
    accuracy : float or ndarray
        Phi(sqrt(a / (1 - a))): each sample's part of the estimate is normal around its class.

    Raises
    ------
    ValueError
        If an alignment is outside [0, 1].

    Examples
    --------
    >>> from skstruct.tensor import alignment_tensor, expected_accuracy
    >>> float(expected_accuracy(alignment_tensor(2, 0.506, 150, 300, 60)).__round__(2))
    0.8
    """
    a = np.asarray(alignment, dtype=np.float64)
    if not np.all((a >= 0) & (a <= 1)):
        raise ValueError(f"alignment={alignment}; it must be in [0, 1].")
    with np.errstate(divide="ignore"):
        return ndtr(np.sqrt(a / (1 - a)))
