"""Thresholdout on a sequence of queries."""

from libc.math cimport NAN, fabs


def answer(
    const double[::1] train,
    const double[::1] holdout,
    const double[::1] compare,
    const double[::1] answers,
    const double[::1] thresholds,
    double base,
    double comparison_scale,
    double answer_scale,
    double threshold_scale,
    double threshold,
    double budget,
    double[::1] out,
):
    """Answer queries in order, until all are or the noise for those that cross is used up.

    Parameters
    ----------
    train, holdout : array of shape (n,)
        Values of the queries on the two parts.
    compare : array of shape (n,)
        Standard noise of the comparisons.
    answers, thresholds : arrays of shape (m,)
        Standard noise of the answers from the holdout and of the thresholds drawn after them.
    base : double
        The threshold without noise.
    comparison_scale, answer_scale, threshold_scale : double
        Scales of the three kinds of noise.
    threshold : double
        The threshold with noise.
    budget : double
        Number of answers from the holdout that are left.
    out : array of shape (n,)
        The answers.

    Returns
    -------
    n_done, n_crossed : int
        Number of queries answered, and of those answered from the holdout.
    threshold : float
        The threshold with noise for the next query.
    """
    cdef:
        Py_ssize_t i = 0, n_crossed = 0, n = train.shape[0], m = answers.shape[0]
    with nogil:
        while i < n:
            if budget < 1:
                out[i] = NAN
            elif fabs(train[i] - holdout[i]) > threshold + comparison_scale * compare[i]:
                if n_crossed == m:
                    break
                out[i] = holdout[i] + answer_scale * answers[n_crossed]
                threshold = base + threshold_scale * thresholds[n_crossed]
                n_crossed += 1
                budget -= 1
            else:
                out[i] = train[i]
            i += 1
    return i, n_crossed, threshold
