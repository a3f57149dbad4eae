"""Coordinates in which a kernel is round: z = ((x - location) / unit) T, and how fine they are."""

import numpy as np

FARTHEST = 1e100  # a coordinate further out is brought there, so that squares are finite
RESOLUTION = 1e-3  # error of squared distances, in squared bandwidths, that is allowed


def least_bandwidth(squares, dtype=np.float64):
    """Return the bandwidth that distances |a|^2 + |b|^2 - 2 a.b resolve, given |a|^2."""
    return np.sqrt(2 * np.finfo(dtype).eps / RESOLUTION * squares)


class KernelCoordinates:
    """Rows centred, divided by their root mean square and whitened.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows, not all of them equal.
    weight : ndarray of shape (n_samples,)
        Their weights.

    Attributes
    ----------
    location : ndarray of shape (n_features,)
        Mean of the rows.
    unit : float
        Root mean square of all elements of the centred rows.
    transform, inverse : ndarray of shape (n_features, n_features)
        T, the unit matrix at first, and its inverse.
    """

    def __init__(self, X, weight):
        X = X.astype(np.float64)
        self.weight = weight
        self.location = np.average(X, axis=0, weights=weight)
        X -= self.location
        largest = np.abs(X).max()
        X /= largest
        root = np.sqrt(np.average(np.einsum("ij,ij->i", X, X), weights=weight) / X.shape[1])
        self.unit = float(largest * root)
        self.rows = X / root
        self.transform = self.inverse = np.eye(X.shape[1])

    def whiten(self, covariance, reg_covar):
        """Whiten the rows, fully or by the standard deviations of columns ("diag").

        `reg_covar` is added to all variances or, with "diag", is that of constant columns.
        """
        Z, d = self.rows, self.rows.shape[1]
        if covariance == "diag":
            constant = (Z[0] == Z).all(axis=0)
            # Columns have scales of their own, whose squares need not be numbers.
            largest = np.where(constant, 1.0, np.abs(Z).max(axis=0))
            variance = np.average((Z / largest) ** 2, axis=0, weights=self.weight)
            sd = np.where(constant, np.sqrt(reg_covar), largest * np.sqrt(variance))
            if not sd.all():
                raise ValueError(
                    f"Column {np.argmin(sd)} is constant and reg_covar={reg_covar}; with "
                    "covariance='diag' reg_covar must be positive."
                )
            self.apply(np.diag(1 / sd), np.diag(sd))
            return
        S = (Z * self.weight[:, np.newaxis]).T @ Z / self.weight.sum() + reg_covar * np.eye(d)
        values, vectors = np.linalg.eigh(S)
        if values[0] <= 1e-14 * values[-1]:
            raise ValueError(
                f"The covariance matrix of X is singular and reg_covar={reg_covar}; with "
                f"covariance={covariance!r} reg_covar must be larger, such as 1e-6."
            )
        self.apply(vectors / np.sqrt(values), (vectors * np.sqrt(values)).T)

    def apply(self, transform, inverse):
        """Let another transform follow."""
        self.rows = np.ascontiguousarray(self.rows @ transform)
        self.transform, self.inverse = self.transform @ transform, inverse @ self.inverse

    def log_det(self):
        """Logarithm of the volume that a unit of volume of the data has in these coordinates."""
        return float(np.linalg.slogdet(self.transform)[1] - len(self.location) * np.log(self.unit))

    def covariance(self, bandwidth):
        """Covariance matrix, in units of the data, of a round kernel in these coordinates."""
        return (self.unit * bandwidth) ** 2 * (self.inverse.T @ self.inverse)

    def __call__(self, X):
        """Coordinates of the rows of X, in float64."""
        with np.errstate(over="ignore"):
            Z = (X - self.location) / self.unit
        Z = np.clip(Z, -FARTHEST, FARTHEST) @ self.transform
        return np.clip(Z, -FARTHEST, FARTHEST, out=Z)

    def back(self, Z):
        """Rows of the data at these coordinates."""
        return self.location + self.unit * (Z @ self.inverse)
