"""Rounds of the network against plain NumPy; rules, streams, bad input, and what it learns."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import check_grad
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, make_moons
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import SGDRegressor
from sklearn.neural_network import MLPRegressor

from skstruct.bandits import NeuralContextualBandit

MASK = 2**64 - 1


class Stream:
    """Numbers in [0, 1) by hashing a counter (splitmix64)."""

    def __init__(self, seed):
        self.state = int(seed)

    def __call__(self):
        self.state = x = (self.state + 0x9E3779B97F4A7C15) & MASK
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
        return ((x ^ (x >> 31)) >> 11) * 2.0**-53


def probabilities(losses, exploration, gamma):
    K, b = len(losses), losses.argmin()
    gap = losses - losses[b]
    if exploration == "squarecb":
        p = 1 / (K + gamma * gap)
    elif exploration == "fastcb":
        p = losses[b] / (K * losses[b] + gamma * gap)
    else:
        p = np.zeros(K)
    p[b] = 0
    p[b] = 1 - p.sum()
    return p, b


class Reference:
    """The bandit in plain NumPy, one round at a time."""

    def __init__(self, d, bandit):
        self.params = bandit.get_params()
        H, K = bandit.hidden, bandit.n_actions
        rng = np.random.RandomState(bandit.random_state)
        self.W = rng.standard_normal((H, d + 1)) * np.sqrt(2 / (d + 1))
        p0 = bandit.initial_loss
        self.is_log = bandit.loss == "log"
        self.V = np.zeros((K, H + 1))
        self.V[:, -1] = np.log(p0 / (1 - p0)) if self.is_log else p0 - 0.5
        self.W0, self.V0 = self.W.copy(), self.V.copy()
        self.draw, self.replay = (Stream(seed) for seed in rng.randint(2**31, size=2))
        self.seen, self.stored = [], []
        self.rate = bandit.learning_rate
        if self.rate == "auto":
            self.rate = {"log": 0.02, "squared": 0.005}[bandit.loss]

    def inputs(self, x):
        if self.params["normalize"]:
            if not self.seen:
                x = np.zeros_like(x)
            else:
                mean, sd = np.mean(self.seen, axis=0), np.std(self.seen, axis=0)
                constant = np.ptp(self.seen, axis=0) == 0
                x = np.clip(np.where(constant, 0, (x - mean) / np.where(constant, 1, sd)), -5, 5)
        return np.append(x, 1)

    def outputs(self, x):
        h = np.append(np.maximum(self.W @ self.inputs(x), 0), 1)
        z = self.V @ h
        return h, 1 / (1 + np.exp(-z)) if self.is_log else z + 0.5

    def decide(self, x):
        losses = np.clip(self.outputs(x)[1], 1e-6, 1 - 1e-6)
        gamma = self.params["gamma"] * (len(self.seen) + 1) ** self.params["gamma_exponent"]
        p, b = probabilities(losses, self.params["exploration"], gamma)
        u, total = self.draw(), 0
        for a in range(len(p)):
            if a != b:
                total += p[a]
                if u < total:
                    return a, p[a]
        return b, p[b]

    def step(self, x, a, loss):
        h, outputs = self.outputs(x)
        g, rate = outputs[a] - loss, self.rate
        pull = self.params["perturbation"] ** 2 / np.sqrt(len(self.W))
        delta = g * self.V[a, :-1] * (h[:-1] > 0)
        self.V[a] -= rate * (g * h + pull * (self.V[a] - self.V0[a]))
        live = delta != 0
        gradient = np.outer(delta, self.inputs(x)) + pull * (self.W - self.W0)
        self.W[live] -= rate * gradient[live]

    def learn(self, x, a, loss):
        self.seen.append(x)
        size = self.params["buffer_size"]
        if self.params["n_replay"]:
            if len(self.stored) < size:
                self.stored.append((x, a, loss))
            else:
                self.stored[int(self.replay() * size)] = (x, a, loss)
        self.step(x, a, loss)
        for _ in range(self.params["n_replay"]):
            self.step(*self.stored[int(self.replay() * len(self.stored))])


def problem(n=150, d=6, K=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * [1, 10, 0.1, 1, 3, 1][:d] + np.arange(d)
    X[:, 3] = 2.5  # constant
    X[n // 2, 0] = 60  # far out, where inputs are cut
    return X, rng.random((n, K))


def bandit(K=4, **params):
    return NeuralContextualBandit(K, **{"hidden": 20, "random_state": 0} | params)


def state(model):
    """All that decides what comes next."""
    network = model._model
    used = int(network.counters[1])
    stored = (network._contexts[:used], network._actions[:used], network._losses[:used])
    return [*network._weights, network._moments, network.counters, *stored]


def assert_same(one, other):
    for a, b in zip(state(one), state(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"loss": "squared", "exploration": "squarecb", "gamma": 20.0, "gamma_exponent": 0.3},
        {"exploration": "greedy", "perturbation": 2.0, "initial_loss": 0.4},
        {"buffer_size": 11, "n_replay": 3, "learning_rate": 0.05},
        {"n_replay": 0, "normalize": False, "learning_rate": 0.001},
        {"hidden": 130, "gamma_exponent": 0.0},
    ],
)
def test_rounds_of_numpy(params):
    X, R = problem()
    model = bandit(**params).run(X, R)
    reference = Reference(X.shape[1], model)
    for i, x in enumerate(X):
        a, p = reference.decide(x)
        assert a == model.actions_[i]
        assert abs(p - model.proba_[i]) < 1e-10
        assert model.rewards_[i] == R[i, a]
        reference.learn(x, a, 1 - R[i, a])
    for found, expected in zip(model.coefs_, [reference.W, reference.V], strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
    losses = np.array([reference.outputs(x)[1] for x in X]).clip(1e-6, 1 - 1e-6)
    np.testing.assert_allclose(model.predict_reward(X), 1 - losses, rtol=0, atol=1e-10)
    if params.get("exploration") != "greedy":  # all actions were drawn, or this proves little
        assert len(np.unique(model.actions_)) == 4
    assert model.n_rounds_ == len(X)


@pytest.mark.parametrize("loss", ["log", "squared"])
def test_a_step_is_the_gradient_of_the_penalised_loss(loss):
    X, R = problem()
    model = bandit(loss=loss, n_replay=0, normalize=False, perturbation=0.5)
    fresh = bandit(loss=loss, n_replay=0, normalize=False, perturbation=0.5)
    fresh.decide(X[:1])
    W0, V0 = fresh.coefs_
    model.partial_fit(X[:20], np.arange(20) % 4, R[:20, 0])  # away from the first weights
    W, V = model.coefs_
    x, a, target = np.append(X[30], 1), 2, 0.7
    pull, live = 0.25 / np.sqrt(20), (W @ x > 0) & (V[a, :-1] != 0)
    assert 0 < live.sum() < 20

    def objective(theta):
        W_, v = theta[: W.size].reshape(W.shape), theta[W.size :]
        z = v @ np.append(np.maximum(W_ @ x, 0), 1)
        if loss == "log":
            value = np.logaddexp(0, z) - target * z
        else:
            value = (z + 0.5 - target) ** 2 / 2
        away = ((W_ - W0)[live] ** 2).sum() + ((v - V0[a]) ** 2).sum()
        return value + pull / 2 * away

    theta = np.concatenate((W.ravel(), V[a]))
    model.partial_fit(X[30:31], [a], [1 - target])
    rate = 0.02 if loss == "log" else 0.005
    after = np.concatenate((model.coefs_[0].ravel(), model.coefs_[1][a]))
    gradient = (theta - after) / rate
    assert np.abs(gradient).max() > 0.01
    assert check_grad(objective, lambda _: gradient, theta, epsilon=1e-6) < 1e-4
    others = np.arange(4) != a
    np.testing.assert_array_equal(model.coefs_[1][others], V[others])


@pytest.mark.parametrize("exploration", ["fastcb", "squarecb", "greedy"])
def test_probabilities(exploration):
    X, R = problem()
    model = bandit(exploration=exploration, gamma=3.0, gamma_exponent=0.4).run(X, R)
    found = model.predict_proba(X)
    for p, rewards in zip(found, model.predict_reward(X), strict=True):
        expected, best = probabilities(1 - rewards, exploration, 3 * 151**0.4)
        np.testing.assert_allclose(p, expected, rtol=1e-10, atol=1e-12)
        assert p.argmax() == best
    np.testing.assert_array_equal(model.predict(X), found.argmax(axis=1))
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    # what is drawn has those probabilities, and says so
    actions = model.decide(np.repeat(X[:1], 20000, axis=0))
    shares = np.bincount(actions, minlength=4) / 20000
    np.testing.assert_allclose(shares, found[0], atol=5 * np.sqrt(0.25 / 20000))
    np.testing.assert_allclose(model.proba_, found[0][actions], rtol=1e-12)


def test_at_first_all_actions_are_as_good():
    X, _ = problem()
    for loss in ("log", "squared"):
        model = bandit(loss=loss, initial_loss=0.2, reward_range=(-1.0, 4.0))
        actions = model.decide(X)
        assert set(actions) == {0, 1, 2, 3}
        assert actions.dtype == np.int64
        np.testing.assert_allclose(model.predict_reward(X), 3.0, rtol=1e-12)
        np.testing.assert_allclose(model.predict_proba(X), 0.25, rtol=1e-12)


def test_extreme_rules_are_distributions():
    X, R = problem()
    model = bandit().run(X, R)
    for gamma, exponent in ((1e308, 0.5), (8.0, 1000.0), (1e-300, 0.0)):
        for exploration in ("fastcb", "squarecb"):
            model.set_params(gamma=gamma, gamma_exponent=exponent, exploration=exploration)
            proba = model.predict_proba(X)
            assert np.all((proba >= 0) & (proba <= 1))
            np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)
            best = model.predict(X)
            np.testing.assert_allclose(
                proba[np.arange(len(X)), best], 0.25 if gamma < 1 else 1, rtol=1e-6
            )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("params", [{}, {"buffer_size": 37}, {"n_replay": 0}])
def test_run_is_the_loop_of_rounds(dtype, params):
    X, R = problem()
    X = X.astype(dtype)
    model = bandit(**params).run(X, R)
    pieces = bandit(**params).run(X[:40], R[:40])
    pieces = pickle.loads(pickle.dumps(pieces)).run(X[40:41], R[40:41]).run(X[41:], R[41:])
    loop, actions, proba = bandit(**params), [], []
    for x, r in zip(X, R, strict=True):
        a = loop.decide(x[None])
        loop.partial_fit(x[None], a, r[a])
        actions.append(a[0])
        proba.append(loop.proba_[0])
    np.testing.assert_array_equal(model.actions_, actions)
    np.testing.assert_array_equal(model.proba_, proba)
    assert_same(model, loop)
    assert_same(model, pieces)
    late = bandit(**params).partial_fit(X, actions, R[np.arange(len(X)), actions])
    np.testing.assert_array_equal(late.coefs_[0], model.coefs_[0])
    assert model.coefs_[0].dtype == model._model._contexts.dtype == dtype


def test_tables_of_any_kind():
    X, R = problem(n=1300)  # more rows than a block
    X[:, 3] = np.where(np.arange(1300) % 3 == 0, 0, X[:, 3])
    model = bandit(n_replay=2).run(X, R)
    read_only = X.copy()
    read_only.flags.writeable = False
    names = list("abcdef")
    for table in (
        csr_matrix(X),
        np.asfortranarray(X),
        read_only,
        pd.DataFrame(X, columns=names),
    ):
        other = bandit(n_replay=2).run(table, pd.DataFrame(R))
        assert_same(model, other)
        np.testing.assert_array_equal(other.predict_proba(table), model.predict_proba(X))
    np.testing.assert_array_equal(other.feature_names_in_, names)
    with pytest.raises(ValueError, match="feature names"):
        other.decide(pd.DataFrame(X, columns=names[::-1]))
    counts = np.round(X).astype(int)
    assert_same(bandit().run(counts, R), bandit().run(counts.astype(float), R))


def test_float32_is_close_and_stays():
    X, R = problem()
    model = bandit().fit(X, np.arange(150) % 4, R[:, 0])
    single = bandit().fit(X.astype(np.float32), np.arange(150) % 4, R[:, 0])
    np.testing.assert_allclose(single.predict_reward(X), model.predict_reward(X), atol=1e-4)
    single.partial_fit(X, np.arange(150) % 4, R[:, 0])
    assert single.coefs_[0].dtype == np.float32
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="too large for dtype"):
        single.decide(np.full((1, 6), 1e200))


def test_the_caller_may_write_to_his_contexts():
    X, R = problem()
    for params in ({}, {"regressor": SGDRegressor()}):
        model, other, x = bandit(**params), bandit(**params), np.empty((1, 6))
        for row, r in zip(X, R, strict=True):
            x[0] = row
            model.partial_fit(x, [1], r[:1])
            other.partial_fit(row[None], [1], r[:1])
        x[0] = 1e9
        model.partial_fit(X[:5], [1] * 5, R[:5, 0])
        other.partial_fit(X[:5], [1] * 5, R[:5, 0])
        np.testing.assert_array_equal(model.predict_reward(X), other.predict_reward(X))


def test_reward_range():
    X, R = problem()
    model = bandit().run(X, R)
    other = bandit(reward_range=(-3, 5)).run(X, R * 8 - 3)
    np.testing.assert_array_equal(model.actions_, other.actions_)
    np.testing.assert_allclose(other.rewards_, model.rewards_ * 8 - 3)
    np.testing.assert_allclose(other.predict_reward(X), model.predict_reward(X) * 8 - 3)


def test_fit_starts_anew_in_an_order_of_its_own():
    X, R = problem()
    actions = np.arange(150) % 4
    model = bandit().fit(X, actions, R[:, 0])
    assert model.n_rounds_ == 150
    order = np.random.RandomState(0).permutation(150)
    assert_same(model, bandit().partial_fit(X[order], actions[order], R[order, 0]))
    again = bandit(3).run(X[:, :5], R[:, :3]).set_params(n_actions=4).fit(X, actions, R[:, 0])
    assert_same(model, again)
    for a, b in zip(clone(model).fit(X, actions, R[:, 0]).coefs_, model.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
    other = bandit(random_state=1).fit(X, actions, R[:, 0])
    assert np.abs(other.coefs_[0] - model.coefs_[0]).max() > 0.1
    instance = bandit(random_state=np.random.RandomState(0)).partial_fit(X, actions, R[:, 0])
    assert_same(instance, bandit().partial_fit(X, actions, R[:, 0]))


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"n_actions": 1}, "n_actions"),
        ({"exploration": "ucb"}, "exploration"),
        ({"loss": "hinge"}, "loss"),
        ({"gamma": 0.0}, "gamma"),
        ({"gamma_exponent": -1.0}, "gamma_exponent"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"hidden": 0}, "hidden"),
        ({"n_replay": -1}, "n_replay"),
        ({"buffer_size": 0}, "buffer_size"),
        ({"initial_loss": 1.0}, "initial_loss"),
        ({"perturbation": -0.1}, "perturbation"),
        ({"regressor": object()}, "regressor"),
        ({"reward_range": (1.0, 1.0)}, "reward_range"),
        ({"reward_range": (0.0, np.inf)}, "reward_range"),
        ({"reward_range": (-1e308, 1e308)}, "reward_range"),
        ({"reward_range": (0.0, np.nan)}, "reward_range"),
        ({"reward_range": (0.0, 1.0, 2.0)}, "reward_range"),
    ],
)
def test_bad_parameters(params, match):
    X, R = problem()
    for call in (
        lambda model: model.run(X, R),
        lambda model: model.decide(X),
        lambda model: model.partial_fit(X, np.zeros(150), R[:, 0]),
        lambda model: model.fit(X, np.zeros(150), R[:, 0]),
    ):
        model = bandit().set_params(**params)
        with pytest.raises(ValueError, match=match):
            call(model)
        assert "n_features_in_" not in vars(model)


def test_parameters_set_after_learning_began():
    X, R = problem()
    model = bandit().run(X, R)
    before = pickle.dumps(state(model))
    for params in ({"gamma": -1.0}, {"exploration": "ucb"}, {"n_actions": 9}, {"n_actions": 2}):
        broken = pickle.loads(pickle.dumps(model)).set_params(**params)
        for name, args in (("predict_proba", (X,)), ("decide", (X,)), ("run", (X, R))):
            with pytest.raises(ValueError, match=next(iter(params))):
                getattr(broken, name)(*args)
    larger = pickle.loads(pickle.dumps(model)).set_params(n_actions=9)
    with pytest.raises(ValueError, match="was 4 when learning began"):
        larger.partial_fit(X[:1], [8], [0.5])
    # of the rules they count at once, of the network at the next fit
    model.set_params(exploration="greedy", hidden=7, n_replay=0, loss="squared")
    assert set(np.unique(model.predict_proba(X))) == {0, 1}
    assert pickle.dumps(state(model)) == before
    assert model.run(X, R).coefs_[0].shape == (20, 7)
    assert model.fit(X, np.zeros(150), R[:, 0]).coefs_[0].shape == (7, 7)


@pytest.mark.parametrize("begun", [False, True])
def test_bad_rounds_change_nothing(begun):
    X, R = problem()
    model = bandit()
    if begun:
        model.run(X, R)
    before = pickle.dumps(model)
    wrong = X.copy()
    wrong[3, 2] = np.nan
    zeros = np.zeros(150)
    for X_, actions, rewards, match in (
        (wrong, zeros, R[:, 0], "NaN"),
        (X, zeros + 4, R[:, 0], "actions"),
        (X, zeros - 1, R[:, 0], "actions"),
        (X, zeros + 0.5, R[:, 0], "actions"),
        (X, zeros * np.nan, R[:, 0], "actions"),
        (X, zeros[1:], R[:, 0], "actions"),
        (X, ["a"] * 150, R[:, 0], "actions"),
        (X, zeros, R[:, 0] + 1, "rewards"),
        (X, zeros, R[:, 0] - 1, "rewards"),
        (X, zeros, R[:, 0] * np.nan, "rewards"),
        (X, zeros, R[1:, 0], "rewards"),
        (X, zeros, R[:, :1], "rewards"),
    ):
        for learn in (model.partial_fit, model.fit):
            with pytest.raises(ValueError, match=match):
                learn(X_, actions, rewards)
        assert pickle.dumps(model) == before
    for rewards in (R + 1, R * np.nan, R[:, :3], R[1:], R[:, 0]):
        with pytest.raises(ValueError, match="rewards"):
            model.run(X, rewards)
        assert pickle.dumps(model) == before
    if begun:
        with pytest.raises(ValueError, match="features"):
            model.decide(X[:, :5])
    else:
        for call in (model.predict, model.predict_proba, model.predict_reward):
            with pytest.raises(NotFittedError):
                call(X)
        assert not hasattr(model, "coefs_")
        assert not hasattr(model, "n_rounds_")


@pytest.mark.parametrize("scale", [1e-200, 2.0**-20, 2.0**480, 1e200])
def test_scales(scale):
    X, R = problem()
    model = bandit().run(X * scale, R)
    found = model.predict_reward(X * scale)
    assert np.isfinite(found).all()
    if 1e-12 < scale < 1e150:  # the units of a feature change nothing
        np.testing.assert_array_equal(found, bandit().run(X, R).predict_reward(X))


def test_weights_that_overflow_are_told():
    X, R = problem()
    for params, match in (
        ({"normalize": False}, "normalize=True"),
        ({"loss": "squared", "learning_rate": 9.0}, "learning_rate of 9.0"),
    ):
        with pytest.raises(ValueError, match=match):
            bandit(**params).run(X * 1e200 if "normalize" in params else X, R)
    wide = bandit(loss="squared", hidden=1024).run(X, R)
    assert np.abs(wide.predict_reward(X) - 0.5).mean() < 0.4  # .5 if all are cut


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("n_replay", [0, 4])
@pytest.mark.parametrize(
    "regressor", [SGDRegressor(), MLPRegressor(hidden_layer_sizes=(9,), solver="sgd")]
)
def test_any_regressor(shared, n_replay, regressor):
    X, R = problem(60)
    params = {"regressor": regressor, "shared": shared, "n_replay": n_replay, "buffer_size": 25}
    model = bandit(**params).run(X / 10, R)
    assert len(model.regressors_) == (1 if shared else 4)
    assert {r.n_features_in_ for r in model.regressors_} == {10 if shared else 6}
    loop = bandit(**params)
    for i, (x, r) in enumerate(zip(X / 10, R, strict=True)):
        a = loop.decide(x[None])
        loop.partial_fit(x[None], a, r[a])
        assert a[0] == model.actions_[i]
        assert loop.proba_[0] == model.proba_[i]
        if i == 30:
            loop = pickle.loads(pickle.dumps(loop))
    np.testing.assert_array_equal(loop.predict_reward(X), model.predict_reward(X))
    assert model.n_rounds_ == 60
    assert not hasattr(model, "coefs_")
    assert len(model._model._rounds) == (25 if n_replay else 0)
    losses = np.column_stack(
        [
            r.predict(np.hstack((X, np.eye(4)[[a] * 60])) if shared else X)
            for a, r in enumerate(model.regressors_ * (4 if shared else 1))
        ]
    )
    np.testing.assert_allclose(1 - model.predict_reward(X), losses.clip(1e-6, 1 - 1e-6))


class Ledger(SGDRegressor):
    """Writes down what it is taught."""

    def partial_fit(self, X, y):
        self.lessons_ = [*getattr(self, "lessons_", []), *zip(X.tolist(), y, strict=True)]
        return super().partial_fit(X, y)


def test_regressors_learn_the_losses_of_their_own_actions():
    X, R = problem(40)
    X /= 10
    model = bandit(regressor=Ledger(), n_replay=3).partial_fit(X, np.arange(40) % 3, R[:, 0])
    assert sum(len(r.lessons_) for r in model.regressors_[:3]) == 4 * 40
    for a, regressor in enumerate(model.regressors_[:3]):
        rows = {tuple(x): 1 - r for x, r in zip(X[a::3], R[a::3, 0], strict=True)}
        assert all(rows[tuple(x)] == loss for x, loss in regressor.lessons_)
        assert {tuple(x) for x, _ in regressor.lessons_} == set(rows)
    np.testing.assert_allclose(model.predict_reward(X)[:, 3], 1 - 0.12)  # never taken
    replay_off = bandit(regressor=Ledger(), n_replay=0).partial_fit(X, [0] * 40, R[:, 0])
    lessons = replay_off.regressors_[0].lessons_
    np.testing.assert_array_equal([x for x, _ in lessons], X)


def test_seeds_of_regressors():
    X, R = problem(40)
    mlp = MLPRegressor(hidden_layer_sizes=(5,), solver="sgd")
    runs = [bandit(regressor=mlp, random_state=seed).run(X / 10, R) for seed in (0, 0, 1)]
    first = [run.regressors_[0].coefs_[0] for run in runs]
    np.testing.assert_array_equal(first[0], first[1])
    assert np.abs(first[0] - first[2]).max() > 1e-3
    assert len({r.random_state for r in runs[0].regressors_}) == 4
    assert mlp.random_state is None
    single = bandit(regressor=mlp).run((X / 10).astype(np.float32), R)
    assert single.regressors_[0].coefs_[0].dtype == np.float32
    np.testing.assert_allclose(single.predict_reward(X), runs[0].predict_reward(X), atol=1e-4)


def test_regressors_that_diverge_are_told():
    X, R = problem()

    class Broken(SGDRegressor):
        def predict(self, X):
            return super().predict(X) * np.nan

    model = bandit(regressor=Broken()).partial_fit(X / 10, [0] * 150, R[:, 0])
    with pytest.raises(ValueError, match="not finite"):
        model.decide(X)


def stream(X, y, n, seed):
    rng = np.random.RandomState(seed)
    rows = np.concatenate([rng.permutation(len(X)) for _ in range(-(-n // len(X)))])[:n]
    return X[rows], np.eye(y.max() + 1)[y[rows]]


def regret(X, y, n, **params):
    runs = []
    for seed in range(4):
        contexts, rewards = stream(X, y, n, seed)
        model = NeuralContextualBandit(y.max() + 1, random_state=seed, **params)
        runs.append(1 - model.run(contexts, rewards).rewards_.mean())
    return np.mean(runs)


def test_digits_as_published():
    X, y = load_digits(return_X_y=True)
    fast = regret(X, y, 4000)
    square = regret(X, y, 4000, exploration="squarecb", gamma=20.0)
    squared = regret(X, y, 4000, exploration="squarecb", gamma=20.0, loss="squared")
    assert abs(fast - 0.091) < 0.012
    assert abs(square - 0.104) < 0.012
    assert abs(squared - 0.115) < 0.012
    assert fast < square < squared


def test_cancer_as_published():
    X, y = load_breast_cancer(return_X_y=True)
    fast = regret(X, y, 1500)
    assert abs(fast - 0.022) < 0.006
    assert fast < regret(X, y, 1500, exploration="squarecb", gamma=20.0)


def test_moons_want_more_than_lines():
    X, y = make_moons(2000, noise=0.2, random_state=0)
    model = NeuralContextualBandit(2, random_state=0).run(*stream(X, y, 2000, 0))
    assert model.rewards_.mean() > 0.93
    assert model.rewards_[-400:].mean() > 0.945
    assert model.score(X, y) > 0.945
    explored = 1 - model.predict_proba(X).max(axis=1)
    best = 1 - model.predict_reward(X).max(axis=1)
    low, high = np.quantile(best, [0.5, 0.9])
    assert explored[best < low].mean() < 0.2 * explored[best > high].mean()
