"""Any regressors with `partial_fit` as the model of `NeuralContextualBandit`."""

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from skstruct.bandits._neural_contextual_bandit_fast import draw_actions


class OnlineRegressors:
    """One regressor of the loss for each action, or one that is told the action.

    Parameters
    ----------
    regressor : estimator
        To be cloned, with random states of its own.
    n_actions : int
        Number of actions.
    shared : bool
        Whether a single clone is fed the context with the one-hot action, else one an action.
    dtype : dtype
        Of the contexts.
    n_replay, buffer_size : int
        Stored rounds learned again in a round, and stored at most.
    initial_loss : float
        What an action is predicted to lose before its regressor has learned anything.
    rng : RandomState
        Source of the seeds of the two streams.

    Attributes
    ----------
    regressors : list of estimators
        The clones.
    counters : ndarray of shape (3,), dtype=uint64
        Rounds, nothing, and the stream of decisions, as those of the network.
    """

    def __init__(
        self, regressor, n_actions, *, shared, dtype, n_replay, buffer_size, initial_loss, rng
    ):
        self.regressors = [_seeded(regressor, rng) for _ in range(1 if shared else n_actions)]
        self.n_actions = n_actions
        self.dtype = dtype
        self.n_replay = n_replay
        self.buffer_size = buffer_size if n_replay else 0
        self.initial_loss = initial_loss
        self.counters = np.array([0, 0, rng.randint(2**31)], dtype=np.uint64)
        self._replay = np.random.default_rng(rng.randint(2**31))
        self._rounds = []  # stored

    def losses(self, X):
        """Return the predicted loss of every action, of shape (n, n_actions)."""
        columns = [self._predicted(X, action) for action in range(self.n_actions)]
        losses = np.column_stack(columns).astype(float, copy=False)
        if not np.isfinite(losses).all():
            raise ValueError("regressor predicts losses that are not finite; let it learn slower.")
        return np.clip(losses, 1e-6, 1 - 1e-6)

    def learn(self, X, actions, losses):
        """Learn from rounds, each with some stored ones."""
        X = X.copy()  # the caller may write his next contexts to it
        for x, action, loss in zip(X, actions, losses, strict=True):
            self._store((x, action, loss))
            drawn = self._replay.integers(max(len(self._rounds), 1), size=self.n_replay)
            batch = [(x, action, loss), *(self._rounds[i] for i in drawn)]
            for regressor, rows, targets in self._by_regressor(batch):
                regressor.partial_fit(rows, targets)
            self.counters[0] += np.uint64(1)

    def run(self, X, losses, actions, proba, rule):
        """Decide and learn; `actions` and `proba` are written."""
        for i in range(len(X)):
            now = slice(i, i + 1)
            predicted = self.losses(X[now])
            draw_actions(predicted, *rule, self.counters, actions[now], proba[now])
            self.learn(X[now], actions[now], losses[i, actions[now]])

    def _predicted(self, X, action):
        regressor = self.regressors[action if len(self.regressors) > 1 else 0]
        try:
            check_is_fitted(regressor)
        except NotFittedError:
            return np.full(len(X), self.initial_loss)
        return regressor.predict(self._rows(X, np.full(len(X), action)))

    def _rows(self, X, actions):
        if len(self.regressors) > 1:
            return X
        return np.hstack((X, np.eye(self.n_actions, dtype=X.dtype)[actions]))

    def _by_regressor(self, batch):
        X, actions, losses = (np.array(column) for column in zip(*batch, strict=True))
        if len(self.regressors) == 1:
            yield self.regressors[0], self._rows(X, actions), losses
            return
        for action in np.unique(actions):
            mine = actions == action
            yield self.regressors[action], X[mine], losses[mine]

    def _store(self, example):
        if len(self._rounds) < self.buffer_size:
            self._rounds.append(example)
        elif self.buffer_size:
            self._rounds[self._replay.integers(self.buffer_size)] = example


def _seeded(regressor, rng):
    names = [name for name in regressor.get_params() if name.split("__")[-1] == "random_state"]
    return clone(regressor).set_params(**{name: rng.randint(2**31) for name in names})
