"""Contextual bandit by online regression and inverse-gap weighting.

Rewards r in a known range are losses l = 1 - r in [0, 1]. A regressor predicts the loss y_a of
each action; with b the best one and gamma_t = gamma (t + 1)^exponent after t rounds,

    squarecb   p_a = 1 / (K + gamma_t (y_a - y_b))             for a other than b
    fastcb     p_a = y_b / (K y_b + gamma_t (y_a - y_b))       explores little where y_b is small
    greedy     p_a = 0

and b has the rest. The loss of the chosen action is then learned: one gradient step on it, and
`n_replay` on stored rounds. The network (`_neural_contextual_bandit_fast.pyx`) has a hidden layer
and a head per action, starts with the same small loss for every action, so that each looks good
until it is tried, and standardises contexts by running means. The perturbation of the paper, a
random prediction around theta_0, is its mean: a pull of the weights to where they started.
"""

from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score
from sklearn.utils import gen_batches

from skstruct._validation import (
    FLOATS,
    HasMethods,
    Interval,
    StrOptions,
    _fit_context,
    check_is_fitted,
    check_random_state,
    keep_model_on_error,
    validate_data,
)
from skstruct.bandits._neural_contextual_bandit_fast import action_probabilities, draw_actions
from skstruct.bandits._online_network import OnlineNetwork
from skstruct.bandits._online_regressors import OnlineRegressors

_ROWS = 512  # that are dense at a time, and learned from before an interrupt is seen


class NeuralContextualBandit(BaseEstimator):
    """Choose actions by their predicted losses, and learn from those of the chosen ones.

    For recommendation, routing or adaptive treatment: a context arrives, one of several actions is
    taken, and only its reward is seen. With the default regressor, a small network, an action is
    explored as long as it may be as good as the best one; any regressor with ``partial_fit``
    may take its place.

    Parameters
    ----------
    n_actions : int
        Number of actions, at least 2.
    exploration : {"fastcb", "squarecb", "greedy"}, default="fastcb"
        How an action is drawn from the predicted losses.
    loss : {"log", "squared"}, default="log"
        What the network minimises; the first suits ``"fastcb"``.
    gamma : float, default=8.0
        How fast probabilities fall with the predicted gap, > 0; 20 suits ``"squarecb"`` better.
    gamma_exponent : float, default=0.5
        Power of the number of rounds with which that grows, >= 0.
    hidden : int, default=128
        Number of hidden units.
    learning_rate : float or "auto", default="auto"
        Of the gradient steps; ``"auto"`` is .02 with the log loss and, with the squared one, which
        diverges otherwise, the lesser of .005 and .64 / `hidden`.
    n_replay : int, default=8
        Stored rounds to learn from again in each round.
    buffer_size : int, default=20000
        Most rounds stored; then a random one makes room.
    perturbation : float, default=0.1
        Pull of the weights to where they started, >= 0.
    initial_loss : float, default=0.12
        What untried actions are predicted to lose, in (0, 1).
    normalize : bool, default=True
        Whether contexts are standardised by their running means and deviations, and cut at 5.
        A feature whose deviation is below 1e-12 counts as constant.
    regressor : estimator, default=None
        A regressor of losses in [0, 1] with ``partial_fit`` instead of the network. Its random
        states are drawn from that of the bandit.
    shared : bool, default=False
        Whether one clone of `regressor` is fed the context with the one-hot action, instead of one
        clone an action.
    reward_range : (float, float), default=(0.0, 1.0)
        Least and greatest reward.
    random_state : int, RandomState instance or None, default=None
        Decides the first weights, the actions and the replay.

    Attributes
    ----------
    proba_ : ndarray of shape (n,)
        Probabilities with which the last actions were drawn, for logs and off-policy estimates.
    actions_, rewards_ : ndarray of shape (n,)
        Of the last :meth:`run`.
    n_rounds_ : int
        Number of rounds learned from.
    coefs_ : list of two ndarrays, of shapes (hidden, n_features + 1) and (n_actions, hidden + 1)
        Weights of the network, the last column the intercepts. Without `regressor`.
    regressors_ : list of estimators
        The clones of `regressor`.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if the contexts have any.

    Raises
    ------
    ValueError
        If a parameter is out of its range, an action is not one of 0 to n_actions - 1, a reward
        is not finite and in `reward_range`, or the learning rate is so large that weights
        overflow.

    See Also
    --------
    UnimodalBandit : Actions in a row or a grid, without contexts.

    Notes
    -----
    A round takes O((d + K) H) for the decision and O(d H) for each of ``1 + n_replay`` steps, with
    d features, K actions and H units: some 30 microseconds at d = 64, H = 128, K = 10. The memory
    is that of the weights, twice, and of the stored contexts.

    ``decide``, ``partial_fit`` and ``run`` go on from where they are; the first of them starts the
    model. Later changes of `exploration`, `gamma`, `gamma_exponent` and `reward_range` count at
    once, those of the other parameters at the next ``fit``.

    The regression is on the chosen action alone, without weights 1 / p, which is not biased.

    References
    ----------
    R. Deb, Y. Ban, S. Zuo, J. He, A. Banerjee. Contextual bandits with online neural regression.
    ICLR 2024, arXiv:2312.07145.

    D. Foster, A. Rakhlin. Beyond UCB: optimal and efficient contextual bandits with regression
    oracles. ICML 2020, arXiv:2002.04926.

    D. Foster, A. Krishnamurthy. Efficient first-order contextual bandits: prediction, allocation,
    and triangular discrimination. NeurIPS 2021, arXiv:2107.02237.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skstruct.bandits import NeuralContextualBandit
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> bandit = NeuralContextualBandit(2, random_state=0).run(X, np.eye(2)[y])
    >>> bool(bandit.rewards_[-200:].mean() > 0.9)
    True
    >>> bandit.decide(X[:3]).shape
    (3,)
    """

    _parameter_constraints: dict = {
        "n_actions": [Interval(Integral, 2, None, closed="left")],
        "exploration": [StrOptions({"fastcb", "squarecb", "greedy"})],
        "loss": [StrOptions({"log", "squared"})],
        "gamma": [Interval(Real, 0, None, closed="neither")],
        "gamma_exponent": [Interval(Real, 0, None, closed="left")],
        "hidden": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "n_replay": [Interval(Integral, 0, None, closed="left")],
        "buffer_size": [Interval(Integral, 1, None, closed="left")],
        "perturbation": [Interval(Real, 0, None, closed="left")],
        "initial_loss": [Interval(Real, 0, 1, closed="neither")],
        "normalize": ["boolean"],
        "regressor": [HasMethods(["partial_fit", "predict"]), None],
        "shared": ["boolean"],
        "reward_range": ["array-like"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_actions,
        *,
        exploration="fastcb",
        loss="log",
        gamma=8.0,
        gamma_exponent=0.5,
        hidden=128,
        learning_rate="auto",
        n_replay=8,
        buffer_size=20000,
        perturbation=0.1,
        initial_loss=0.12,
        normalize=True,
        regressor=None,
        shared=False,
        reward_range=(0.0, 1.0),
        random_state=None,
    ):
        self.n_actions = n_actions
        self.exploration = exploration
        self.loss = loss
        self.gamma = gamma
        self.gamma_exponent = gamma_exponent
        self.hidden = hidden
        self.learning_rate = learning_rate
        self.n_replay = n_replay
        self.buffer_size = buffer_size
        self.perturbation = perturbation
        self.initial_loss = initial_loss
        self.normalize = normalize
        self.regressor = regressor
        self.shared = shared
        self.reward_range = reward_range
        self.random_state = random_state

    @keep_model_on_error
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, actions, rewards):
        """Forget everything, and learn once from each row, in a random order.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n, n_features)
            Contexts.
        actions : array-like of shape (n,)
            The actions taken.
        rewards : array-like of shape (n,)
            Their rewards.

        Returns
        -------
        self : object
        """
        X = self._contexts(X, reset=True)
        actions, losses = self._feedback(X, actions, rewards)
        self._model = self._make_model(X)
        order = check_random_state(self.random_state).permutation(X.shape[0])
        self._learn(X[order], actions[order], losses[order])
        return self

    @keep_model_on_error
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, actions, rewards):
        """Learn from rounds in their order, however long ago their actions were drawn.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n, n_features)
            Contexts.
        actions : array-like of shape (n,)
            The actions taken, by whomever.
        rewards : array-like of shape (n,)
            Their rewards.

        Returns
        -------
        self : object
        """
        X = self._contexts(X)
        feedback = self._feedback(X, actions, rewards)
        self._begin(X)
        self._learn(X, *feedback)
        return self

    @keep_model_on_error
    @_fit_context(prefer_skip_nested_validation=True)
    def decide(self, X):
        """Draw an action for each context; nothing is learned.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n, n_features)
            Contexts.

        Returns
        -------
        actions : ndarray of shape (n,), dtype=int64
            Their probabilities are in ``proba_``.
        """
        X = self._contexts(X)
        self._begin(X)
        losses = self._losses(X)
        actions = np.empty(len(losses), dtype=np.int64)
        self.proba_ = np.empty(len(losses))
        draw_actions(losses, *self._rule(), self._model.counters, actions, self.proba_)
        return actions

    @keep_model_on_error
    @_fit_context(prefer_skip_nested_validation=True)
    def run(self, X, rewards):
        """Simulate rounds of which all rewards are known: decide, and learn from the chosen one.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n, n_features)
            Contexts.
        rewards : array-like of shape (n, n_actions)
            Rewards of all actions.

        Returns
        -------
        self : object
            With ``actions_``, ``rewards_`` and ``proba_``.
        """
        X = self._contexts(X)
        losses = self._as_losses(rewards, (X.shape[0], self.n_actions))
        self._begin(X)
        self.actions_ = np.empty(X.shape[0], dtype=np.int64)
        self.proba_ = np.empty(X.shape[0])
        for rows in _blocks(X):
            self._model.run(
                _dense(X[rows]), losses[rows], self.actions_[rows], self.proba_[rows], self._rule()
            )
        self.rewards_ = np.asarray(rewards, dtype=float)[np.arange(len(losses)), self.actions_]
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def predict_proba(self, X):
        """Return the distribution that an action would be drawn from.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n, n_features)
            Contexts.

        Returns
        -------
        proba : ndarray of shape (n, n_actions)
        """
        losses = self._losses(self._known_contexts(X))
        proba = np.empty(losses.shape)
        action_probabilities(losses, *self._rule(), float(self._model.counters[0]), proba)
        return proba

    @_fit_context(prefer_skip_nested_validation=True)
    def predict_reward(self, X):
        """Return the predicted rewards.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n, n_features)
            Contexts.

        Returns
        -------
        rewards : ndarray of shape (n, n_actions)
        """
        low, high = self.reward_range
        return low + (high - low) * (1 - self._losses(self._known_contexts(X)))

    def predict(self, X):
        """Return the action with the greatest predicted reward.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n, n_features)
            Contexts.

        Returns
        -------
        actions : ndarray of shape (n,), dtype=int64
        """
        return self._losses(self._known_contexts(X)).argmin(axis=1)

    def score(self, X, y):
        """Return the share of contexts whose predicted action is the best one.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n, n_features)
            Contexts.
        y : array-like of shape (n,)
            Their best actions.

        Returns
        -------
        score : float
        """
        return accuracy_score(y, self.predict(X))

    @property
    def n_rounds_(self):
        check_is_fitted(self)
        return int(self._model.counters[0])

    @property
    def coefs_(self):
        check_is_fitted(self)
        return self._model.coefs()

    @property
    def regressors_(self):
        check_is_fitted(self)
        return self._model.regressors

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_model")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _contexts(self, X, *, reset=False):
        """Return checked contexts; in the model's dtype, if there is one that is kept."""
        self._check_range()
        reset = reset or not self.__sklearn_is_fitted__()
        if not reset and self.n_actions != self._model.n_actions:
            raise ValueError(
                f"n_actions is {self.n_actions} and was {self._model.n_actions} when learning "
                "began; only fit starts anew."
            )
        dtype = FLOATS if reset else self._model.dtype
        return validate_data(self, X, reset=reset, accept_sparse="csr", dtype=dtype, order="C")

    def _known_contexts(self, X):
        check_is_fitted(self)
        return self._contexts(X)

    def _begin(self, X):
        if not self.__sklearn_is_fitted__():
            self._model = self._make_model(X)

    def _make_model(self, X):
        common = {
            "dtype": X.dtype,
            "n_replay": self.n_replay,
            "buffer_size": self.buffer_size,
            "initial_loss": self.initial_loss,
            "rng": check_random_state(self.random_state),
        }
        if self.regressor is not None:
            return OnlineRegressors(self.regressor, self.n_actions, shared=self.shared, **common)
        rate = self.learning_rate
        if rate == "auto":
            rate = 0.02 if self.loss == "log" else min(0.005, 0.64 / self.hidden)
        return OnlineNetwork(
            X.shape[1],
            self.hidden,
            self.n_actions,
            is_log=self.loss == "log",
            rate=rate,
            pull=self.perturbation**2 / np.sqrt(self.hidden),
            normalize=self.normalize,
            **common,
        )

    def _rule(self):
        kind = self.exploration
        return kind == "fastcb", kind == "greedy", float(self.gamma), float(self.gamma_exponent)

    def _losses(self, X):
        return np.concatenate([self._model.losses(_dense(X[rows])) for rows in _blocks(X)])

    def _learn(self, X, actions, losses):
        for rows in _blocks(X):
            self._model.learn(_dense(X[rows]), actions[rows], losses[rows])

    def _feedback(self, X, actions, rewards):
        """Return checked actions, and the losses that the rewards stand for."""
        n = X.shape[0]
        actions = np.asarray(actions)
        if actions.shape != (n,) or not np.isin(actions, np.arange(self.n_actions)).all():
            raise ValueError(
                f"actions must be {n} integers from 0 to {self.n_actions - 1}, got {actions!r}."
            )
        return actions.astype(np.int64), self._as_losses(rewards, (n,))

    def _as_losses(self, rewards, shape):
        rewards = np.asarray(rewards, dtype=float)
        low, high = self.reward_range
        if rewards.shape != shape:
            raise ValueError(f"rewards must have the shape {shape}, got {rewards.shape}.")
        allowed = (rewards >= low) & (rewards <= high)
        if not allowed.all():
            raise ValueError(
                f"rewards must be from {low} to {high}, the reward_range, got "
                f"{rewards[~allowed][0]}."
            )
        return (high - rewards) / (high - low)

    def _check_range(self):
        values = np.asarray(self.reward_range, dtype=float)
        width = float(values[1]) - float(values[0]) if values.shape == (2,) else 0
        if not 0 < width < np.inf:
            raise ValueError(
                "reward_range must be two finite numbers, the least reward first, got "
                f"{self.reward_range!r}."
            )


def _blocks(X):
    return gen_batches(X.shape[0], _ROWS)


def _dense(X):
    return X.toarray() if issparse(X) else X
