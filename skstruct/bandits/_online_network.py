"""The network of `NeuralContextualBandit`: its arrays, which the compiled rounds work on."""

import numpy as np

from skstruct.bandits._neural_contextual_bandit_fast import UNITS, play, predicted_losses


class OnlineNetwork:
    """One hidden layer, a head per action, and the rounds stored for replay.

    Parameters
    ----------
    n_features, hidden, n_actions : int
        Sizes.
    dtype : dtype
        Of the weights and of the contexts, float32 or float64.
    is_log : bool
        Whether the heads are logits of losses, else losses less one half.
    rate, pull : float
        Of a gradient step, and of the way back to the first weights.
    n_replay, buffer_size : int
        Stored rounds learned again in a round, and stored at most.
    initial_loss : float
        What every action is predicted to lose at first.
    normalize : bool
        Whether contexts are standardised.
    rng : RandomState
        Source of the first weights and of the seeds of the two streams.

    Attributes
    ----------
    n_actions : int
        As given.
    dtype : dtype
        As given.
    counters : ndarray of shape (4,), dtype=uint64
        Rounds, stored rounds, and the streams of decisions and replay.
    """

    def __init__(
        self,
        n_features,
        hidden,
        n_actions,
        *,
        dtype,
        is_log,
        rate,
        pull,
        n_replay,
        buffer_size,
        initial_loss,
        normalize,
        rng,
    ):
        n_units = -(-hidden // UNITS) * UNITS
        W = np.zeros((n_features + 1, n_units), dtype=dtype)
        W[:, :hidden] = rng.standard_normal((hidden, n_features + 1)).T
        W *= np.sqrt(2 / (n_features + 1))
        first = np.log(initial_loss / (1 - initial_loss)) if is_log else initial_loss - 0.5
        V, b = np.zeros((n_actions, n_units), dtype=dtype), np.full(n_actions, first, dtype=dtype)
        self.n_actions = n_actions
        self.dtype = W.dtype
        self.hidden = hidden
        self.is_log = is_log
        self.rate = rate
        self.pull = pull
        self.n_replay = n_replay
        self.buffer_size = buffer_size if n_replay else 0
        self.normalize = normalize
        self.counters = np.array([0, 0, *rng.randint(2**31, size=2)], dtype=np.uint64)
        self._weights = W, W.copy(), V, V.copy(), b, b.copy()
        self._moments = np.zeros((2, n_features))
        self._contexts = np.empty((0, n_features), dtype=dtype)
        self._actions = np.empty(0, dtype=np.int64)
        self._losses = np.empty(0)

    def coefs(self):
        """Return the weights, a row for each unit and each action, intercepts last."""
        W, _, V, _, b, _ = self._weights
        return [W[:, : self.hidden].T.copy(), np.column_stack((V[:, : self.hidden], b))]

    def losses(self, X):
        """Return the predicted loss of every action, of shape (n, n_actions)."""
        W, _, V, _, b, _ = self._weights
        out = np.empty((len(X), self.n_actions))
        seen = float(self.counters[0])
        predicted_losses(X, W, V, b, self._moments, seen, self.is_log, self.normalize, out)
        return out

    def learn(self, X, actions, losses):
        """Learn from rounds."""
        self._play(X, actions, losses[:, None], False, np.empty(0), (False, False, 1.0, 0.0))

    def run(self, X, losses, actions, proba, rule):
        """Decide and learn; `actions` and `proba` are written."""
        self._play(X, actions, losses, True, proba, rule)

    def _play(self, X, actions, losses, draws, proba, rule):
        self._reserve(min(int(self.counters[1]) + len(X), self.buffer_size))
        play(
            X,
            actions,
            losses,
            draws,
            proba,
            *self._weights,
            self._moments,
            self.counters,
            self._contexts,
            self._actions,
            self._losses,
            self.n_replay,
            self.rate,
            self.pull,
            self.is_log,
            self.normalize,
            *rule,
        )
        if not all(np.isfinite(weights).all() for weights in self._weights[::2]):
            raise ValueError(
                f"The weights overflowed with a learning_rate of {self.rate}; fit anew with a "
                "smaller one" + (" or normalize=True." if not self.normalize else ".")
            )

    def _reserve(self, n):
        """Make room for n stored rounds; twice as much as there is, if that is allowed."""
        have = len(self._actions)
        if n <= have:
            return
        n = min(max(n, 2 * have), self.buffer_size)
        self._contexts = np.resize(self._contexts, (n, self._contexts.shape[1]))
        self._actions = np.resize(self._actions, n)
        self._losses = np.resize(self._losses, n)
