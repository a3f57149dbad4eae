"""Any regressors with `partial_fit` as the model of `NeuralContextualBandit`."""

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from skstruct.bandits._neural_contextual_bandit_fast import draw_actions


class OnlineRegressors:
    """One regressor of the loss for each action, or one that is told the action.

    Parameters
    ----------
    regressors : list of estimators
        One for each action; a single one is fed the context with the one-hot action.
    n_actions : int
        Number of actions.
    n_replay, buffer_size : int
        Stored rounds learned again in a round, and stored at most.
    initial_loss : float
        What an action is predicted to lose before its regressor has learned anything.
    rng : RandomState
        Source of the seeds of the two streams.

    Attributes
    ----------
    counters : ndarray of shape (4,), dtype=uint64
        Rounds, stored rounds, and the streams of decisions and replay.
    """

    def __init__(self, regressors, *, n_actions, n_replay, buffer_size, initial_loss, rng):
        self.regressors = regressors
        self.n_actions = n_actions
        self.n_replay = n_replay
        self.buffer_size = buffer_size if n_replay else 0
        self.initial_loss = initial_loss
        self.counters = np.array([0, 0, rng.randint(2**31), 0], dtype=np.uint64)
        self._replay = np.random.default_rng(rng.randint(2**31))
        self._rounds = []  # stored

    def losses(self, X):
        """Return the predicted loss of every action, of shape (n, n_actions)."""
        columns = [self._predicted(X, action) for action in range(self.n_actions)]
        return np.clip(np.column_stack(columns), 1e-6, 1 - 1e-6)

    def learn(self, X, actions, losses):
        """Learn from rounds, each with some stored ones."""
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
