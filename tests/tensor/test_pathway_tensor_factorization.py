"""Pathway groups: steps against the dense tensor, planted groups, and what inputs mean."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_array, csr_array, csr_matrix
from sklearn.decomposition import non_negative_factorization
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skstruct.tensor import PathwayTensorFactorization
from skstruct.tensor._pathway_cells import Cells, PathwaySums, make_cells, unit_sums
from skstruct.tensor._pathway_descent import descend, start


def planted(n_samples=300, seed=0):
    """Return (counts, memberships, groups of the pathways, classes)."""
    rng = np.random.default_rng(seed)
    pools = [rng.choice(400, 60, replace=False) for _ in range(5)]
    groups = np.repeat(np.arange(5), 12)
    M = np.zeros((60, 400))
    for p, group in enumerate(groups):
        M[p, rng.choice(pools[group], 12, replace=False)] = 1
        M[p, rng.choice(400, 3, replace=False)] = 1
    classes = rng.integers(0, 3, n_samples)
    rates = 0.03 * rng.gamma(2.0, 0.5, 400) * np.ones((n_samples, 1))
    for group, pool in enumerate(pools):
        strength = 0.05 * rng.gamma(3.0, 1 / 3, n_samples)
        raised = strength * ((classes == group) if group < 3 else 1.0)
        rates[:, pool] += raised[:, np.newaxis]
    return rng.poisson(rates).astype(float), M, groups, classes


def small(seed=0, n_gene_groups=3):
    """Return (counts, memberships with weights, P, G, Z, weights of samples)."""
    rng = np.random.default_rng(seed)
    X = rng.poisson(1.0, (6, 8)).astype(float)
    M = np.where(rng.random((5, 8)) < 0.5, rng.random((5, 8)) + 0.5, 0.0)
    M[:, 0] = 0  # a gene of no pathway
    M[np.arange(5), np.arange(1, 6)] = 1
    P, G = rng.random((5, 2)), rng.random((8, n_gene_groups))
    G[0] = 0
    Z = rng.random((6, 2 * n_gene_groups))
    return X, csr_array(M).tocsc(), P, G, Z, rng.integers(0, 3, 6).astype(float)


def dense_mean(P, G, Z):
    """Return the means of the whole tensor, 1 for genes without any."""
    mu = np.einsum("sbc,pb,gc->spg", Z.reshape(len(Z), P.shape[1], -1), P, G)
    return np.where(mu > 0, mu, 1.0)


def dense_sweep(X, M, P, G, Z, weight, prior=0.0):
    """Return the blocks after a step of each, as its definition has it."""
    M, w = M.toarray(), weight[:, np.newaxis, np.newaxis]
    shape = len(Z), P.shape[1], G.shape[1]
    Z = Z.reshape(shape)

    def rho():
        return M * X[:, np.newaxis] / dense_mean(P, G, Z)

    Z = Z * np.einsum("spg,pb,gc->sbc", rho(), P, G) / np.einsum("pg,pb,gc->bc", M, P, G)
    numerator = P * np.einsum("spg,sbc,gc->pb", w * rho(), Z, G) + prior
    P = numerator / (np.einsum("sbc,pg,gc->pb", w * Z, M, G) + np.sum(prior, axis=0))
    Z, P = Z * P.sum(axis=0)[:, np.newaxis], P / P.sum(axis=0)
    exposure = np.einsum("sbc,pg,pb->gc", w * Z, M, P)
    G = G * np.einsum("spg,sbc,pb->gc", w * rho(), Z, P)
    G = np.divide(G, exposure, out=np.zeros_like(G), where=exposure > 0)
    Z, G = Z * G.sum(axis=0), G / G.sum(axis=0)
    return P, G, Z.reshape(len(Z), -1)


def fitted(X, M=None, y=None, sample_weight=None, **params):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = PathwayTensorFactorization(M, **({"random_state": 0} | params))
        return model.fit(X, y, sample_weight=sample_weight)


@pytest.mark.parametrize("strength", [0.0, 0.3])
@pytest.mark.parametrize("n_gene_groups", [1, 3])
def test_sweeps_are_those_of_the_dense_tensor(n_gene_groups, strength):
    X, M, P, G, Z, weight = small(n_gene_groups=n_gene_groups)
    prior = strength * unit_sums(np.random.default_rng(1).random(P.shape))[0]
    cells = make_cells(X, M, weight, prior if strength else 0.0, n_gene_groups)
    assert isinstance(cells, PathwaySums) == (n_gene_groups == 1)
    assert cells.n_cells == ((X[:, np.newaxis] * M.toarray()) > 0).sum()
    for _ in range(3):
        expected = dense_sweep(X, M, P, G, Z, weight, cells.unit * cells.prior)
        before = Z.copy()
        found = cells.sweep(P, G, Z / cells.unit)
        found = *found[:2], cells.unit * found[2]
        np.testing.assert_array_equal(Z, before)
        for block, dense in zip(found, expected, strict=True):
            np.testing.assert_allclose(block, dense, rtol=1e-11)
        P, G, Z = found


def test_sums_over_pathways_are_enough_for_a_single_group_of_genes():
    X, M, *_ = planted(80)
    weight = np.random.default_rng(0).integers(0, 3, 80).astype(float)
    sums = make_cells(X, csr_array(M).tocsc(), weight, 0.0, 1)
    cells = Cells(X, csr_array(M).tocsc(), weight)
    assert isinstance(sums, PathwaySums)
    P, G = start(cells, (60, 5, 400, 1), "random", np.random.RandomState(0))
    blocks = P, G, cells.start(P, G)
    for _ in range(20):
        expected, blocks = cells.sweep(*blocks), sums.sweep(*blocks)
        for block, other in zip(blocks[:2], expected[:2], strict=True):
            np.testing.assert_allclose(block, other, rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(blocks[2][weight > 0], expected[2][weight > 0], rtol=1e-9)
        assert sums.objective(*blocks) == pytest.approx(cells.objective(*blocks), rel=1e-12)
    assert (
        type(make_cells(np.eye(20), csr_array(np.eye(20)).tocsc(), np.ones(20), 0.0, 1)) is Cells
    )


@pytest.mark.parametrize("n_gene_groups", [1, 3])
def test_objective_is_the_divergence_of_the_annotated_cells(n_gene_groups):
    X, M, P, G, Z, weight = small(n_gene_groups=n_gene_groups)
    P = unit_sums(P)[0]
    mu, A = dense_mean(P, G, Z), M.toarray()
    T, w = np.broadcast_to(X[:, np.newaxis], mu.shape), weight[:, np.newaxis, np.newaxis]
    logs = np.where(T > 0, T * np.log(np.where(T > 0, T, 1) / mu), 0)
    expected = (w * A * (mu - T + logs)).sum() / (w * A * T).sum()
    prior = unit_sums(np.random.default_rng(1).random(P.shape))[0]
    for strength in (0.0, 0.4):
        cells = make_cells(X, M, weight, strength * prior if strength else 0.0, n_gene_groups)
        expected += strength * (prior * np.log(prior / P)).sum()
        assert cells.objective(P, G, Z / cells.unit) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n_gene_groups", [1, 3])
@pytest.mark.parametrize("strength", [0.0, 0.3])
def test_no_sweep_increases_the_objective(n_gene_groups, strength):
    X, M, P, G, Z, weight = small(3, n_gene_groups)
    prior = strength * unit_sums(np.random.default_rng(1).random(P.shape))[0]
    cells = make_cells(X, M, weight, prior if strength else 0.0, n_gene_groups)
    blocks = unit_sums(P)[0], unit_sums(G)[0], Z
    path = [cells.objective(*blocks)]
    for _ in range(50):
        blocks = cells.sweep(*blocks)
        path.append(cells.objective(*blocks))
    assert (np.diff(path) < 1e-12).all()
    assert path[-1] < path[1] - 0.005


@pytest.mark.parametrize("n_gene_groups", [1, 2])
def test_extrapolated_sweeps_are_worth_twice_as_many(n_gene_groups):
    X, M, *_ = planted()
    cells = make_cells(X, csr_array(M).tocsc(), np.ones(300), 0.0, n_gene_groups)
    P, G = start(cells, (60, 5, 400, n_gene_groups), "random", np.random.RandomState(0))
    path = descend(cells, P, G, 100, 0.0, lambda step: step())[2]
    assert (np.diff(path) < 1e-12).all()
    blocks = P, G, cells.start(P, G)
    for _ in range(200):
        blocks = cells.sweep(*blocks)
    assert path[-1] < cells.objective(*blocks)


def test_sweeps_that_went_too_far_are_thrown_away():
    X, M, *_ = planted()
    model = fitted(X, M, tol=0, max_iter=300)
    assert model.n_iter_ == 300
    assert len(model.objective_) < 61
    assert (np.diff(model.objective_) < 1e-12).all()
    cells = Cells(X, csr_array(M).tocsc(), np.ones(300))
    Z = cells.start(model.pathway_groups_, model.gene_groups_)
    cells.update_scores(model.pathway_groups_, model.gene_groups_, Z, 2000, 0.0)
    best = cells.objective(model.pathway_groups_, model.gene_groups_, Z)
    assert best == pytest.approx(model.objective_[-1], abs=1e-4)


def test_start_from_sums_over_pathways():
    for n_gene_groups in (1, 2):
        X, M, groups, _ = planted()
        starts = {}
        for init in ("random", "nmf"):
            model = fitted(X, M, init=init, n_gene_groups=n_gene_groups, max_iter=5)
            starts[init] = model.objective_[-1]
        assert starts["nmf"] < starts["random"] - 0.02
        model = fitted(X, M, init="nmf", n_gene_groups=n_gene_groups)
        assert adjusted_rand_score(groups, model.pathway_groups_.argmax(axis=1)) > 0.75
        found = np.sort(model.gene_groups_, axis=1)
        assert n_gene_groups == 1 or (found[:, 1] > 2 * found[:, 0]).mean() > 0.4
    weight = np.arange(300) % 3
    weighed = fitted(X, M, init="nmf", sample_weight=weight, max_iter=5)
    repeated = fitted(np.repeat(X, weight, axis=0), M, init="nmf", max_iter=5)
    np.testing.assert_allclose(weighed.pathway_groups_, repeated.pathway_groups_, rtol=1e-6)


def test_groups_are_drawn_to_their_prior():
    X, M, groups, _ = planted()
    truth = np.eye(5)[groups]
    order = [3, 0, 4, 1, 2]
    model = fitted(X, M, pathway_prior=truth[:, order])
    assert adjusted_rand_score(groups, model.pathway_groups_.argmax(axis=1)) == 1
    assert (np.array(order)[model.pathway_groups_.argmax(axis=1)] == groups).all()
    hint = fitted(X, M, pathway_prior=truth[:, order], prior_strength=1e-3).pathway_groups_
    assert (np.array(order)[hint.argmax(axis=1)] == groups).mean() > 0.9
    distance = []
    wrong = np.roll(truth, 6, axis=0)
    for strength in (0.0, 0.1, 1.0, 100.0):
        model = fitted(X, M, pathway_prior=wrong, prior_strength=strength, max_iter=100)
        assert (np.diff(model.objective_) < 1e-12).all()
        distance.append(np.abs(model.pathway_groups_ - wrong / 12).sum())
    assert distance[0] > distance[1] > distance[2] > distance[3]
    assert distance[3] < 0.05 * distance[0]
    free = fitted(X, M, pathway_prior=truth * [1, 0, 0, 0, 0], prior_strength=100.0)
    np.testing.assert_allclose(free.pathway_groups_[:, 0], truth[:, 0] / 12, atol=0.01)
    scaled = fitted(1e9 * X, M, pathway_prior=wrong, max_iter=50)
    plain = fitted(X, M, pathway_prior=wrong, max_iter=50)
    np.testing.assert_allclose(scaled.pathway_groups_, plain.pathway_groups_, rtol=1e-6)


def test_finds_the_planted_groups_and_predicts_as_well_as_they_do():
    scores = []
    for seed in range(2):
        X, M, groups, classes = planted(600, seed)
        model = PathwayTensorFactorization(M, n_init=3, random_state=0)
        X_train, X_test, train, test = X[:300], X[300:], classes[:300], classes[300:]
        P = fitted(X_train, M, n_init=3).pathway_groups_
        assert adjusted_rand_score(groups, P.argmax(axis=1)) > 0.75
        found = [
            make_pipeline(features, StandardScaler(), LogisticRegression())
            .fit(A, train)
            .score(B, test)
            for features, A, B in (
                (model, X_train, X_test),
                (StandardScaler(), X_train, X_test),
                (
                    StandardScaler(),
                    X_train @ M.T @ np.eye(5)[groups],
                    X_test @ M.T @ np.eye(5)[groups],
                ),
            )
        ]
        scores.append(found)
    ours, genes, oracle = np.mean(scores, axis=0)
    assert ours > genes + 0.06
    assert ours > oracle - 0.05


def test_without_pathways_it_is_poisson_factorisation():
    X = np.random.default_rng(0).poisson(2.0, (40, 12)).astype(float)
    model = fitted(X, n_pathway_groups=3, max_iter=1000, tol=1e-10)
    P, G = model.pathway_groups_, model.gene_groups_
    H = np.ascontiguousarray((P * G).T)
    W = model.transform(X)
    assert W.shape == (40, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        best = non_negative_factorization(
            X, H=H, n_components=3, update_H=False, solver="mu",
            beta_loss="kullback-leibler", max_iter=2000, tol=1e-10,
        )[0]  # fmt: skip
    np.testing.assert_allclose(W @ H, best @ H, rtol=0.03, atol=0.03)


def test_weights_are_repetitions():
    X, M, *_ = planted(80)
    weight = np.random.default_rng(0).integers(0, 3, 80)
    weighed = fitted(X, M, n_gene_groups=2, sample_weight=weight, max_iter=30)
    repeated = fitted(np.repeat(X, weight, axis=0), M, n_gene_groups=2, max_iter=30)
    np.testing.assert_allclose(weighed.pathway_groups_, repeated.pathway_groups_, rtol=1e-6)
    np.testing.assert_allclose(weighed.gene_groups_, repeated.gene_groups_, rtol=1e-6)


def test_sparse_is_as_dense_and_samples_are_apart():
    X, M, *_ = planted(60)
    dense = fitted(X, M, n_gene_groups=2, max_iter=20)
    sparse = fitted(csr_matrix(X), coo_array(M), n_gene_groups=2, max_iter=20)
    np.testing.assert_allclose(sparse.pathway_groups_, dense.pathway_groups_, rtol=1e-10)
    scores = dense.transform(X)
    np.testing.assert_array_equal(sparse.transform(csr_matrix(X[5:7])), scores[5:7])
    np.testing.assert_allclose(dense.pathway_groups_.sum(axis=0), 1)
    np.testing.assert_allclose(dense.gene_groups_.sum(axis=0), 1)


def test_float32_and_scale():
    X, M, *_ = planted(60)
    exact = fitted(X, M, max_iter=20)
    single = fitted(X.astype(np.float32), M, max_iter=20)
    assert single.pathway_groups_.dtype == np.float32
    assert single.transform(X.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(single.pathway_groups_, exact.pathway_groups_, rtol=1e-5)
    for scale in (1e-280, 1e-200, 1e9, 1e280, 1e304):
        scaled = fitted(scale * X, M, max_iter=20)
        np.testing.assert_allclose(scaled.pathway_groups_, exact.pathway_groups_, rtol=1e-8)
        scores = scaled.transform(scale * X) / scale
        np.testing.assert_allclose(scores, exact.transform(X), rtol=1e-8)


def test_samples_without_annotated_counts_have_no_score():
    X, M, *_ = planted(60)
    M[:, :50] = 0
    model = fitted(X, M, max_iter=20)
    silent = np.zeros((2, 400))
    silent[1, :50] = 3
    assert not model.transform(silent).any()
    assert not model.gene_groups_[:50].any()
    assert model.feature_coverage_ == pytest.approx(X[:, M.any(axis=0)].sum() / X.sum())
    with pytest.warns(UserWarning, match="features of no pathway"):
        fitted(X, M[:3], n_pathway_groups=2)


def test_memberships_by_name_and_what_is_largest():
    X = pd.DataFrame(np.random.default_rng(0).poisson(3.0, (30, 4)), columns=list("abcd"))
    named = fitted(X, {"one": ["a", "b"], "two": ["c", 3]}, n_pathway_groups=2)
    plain = fitted(X.to_numpy(), [[1, 1, 0, 0], [0, 0, 1, 1]], n_pathway_groups=2)
    np.testing.assert_array_equal(named.pathway_groups_, plain.pathway_groups_)
    assert list(named.pathway_names_) == ["one", "two"]
    assert list(plain.pathway_names_) == ["pathway0", "pathway1"]
    (name, part), *_ = named.top_pathways(0, 2)
    assert name == ["one", "two"][named.pathway_groups_[:, 0].argmax()]
    assert part == named.pathway_groups_[:, 0].max()
    assert [name for name, _ in named.top_genes(0, 4)] == [
        "abcd"[j] for j in np.argsort(-named.gene_groups_[:, 0])
    ]


def test_normalized_memberships():
    X, M, *_ = planted(40)
    model = fitted(X, M, normalize_memberships=True, max_iter=10)
    sums = M.sum(axis=0)
    expected = fitted(X, M / np.where(sums > 0, sums, 1), max_iter=10)
    np.testing.assert_allclose(model.pathway_groups_, expected.pathway_groups_, rtol=1e-8)


@pytest.mark.parametrize(
    ("pathways", "message"),
    [
        (np.ones((2, 3)), r"shape \(2, 3\); .* 4 features"),
        ([[1, 1, 0, 0], [-1, 0, 0, 1]], "has -1"),
        ([[1, 1, 0, 0], [0, 0, 0, 0]], "'pathway1' has no feature"),
        ({"one": [0, "x"]}, "'one' has 'x'"),
        ({"one": [0, 4]}, "'one' has 4"),
    ],
)
def test_errors_of_pathways(pathways, message):
    with pytest.raises(ValueError, match=message):
        PathwayTensorFactorization(pathways).fit(np.ones((5, 4)))


def test_errors_and_warnings():
    X = np.random.default_rng(0).poisson(2.0, (10, 4)).astype(float)
    with pytest.raises(ValueError, match="n_pathway_groups=5; there are 4 pathways"):
        PathwayTensorFactorization(n_pathway_groups=5).fit(X)
    with pytest.raises(ValueError, match=r"pathway_prior has shape \(4, 3\); .* 4 pathways, .* 2"):
        PathwayTensorFactorization(n_pathway_groups=2, pathway_prior=np.ones((4, 3))).fit(X)
    with pytest.raises(ValueError, match="pathway_prior has -1"):
        PathwayTensorFactorization(n_pathway_groups=2, pathway_prior=-np.ones((4, 2))).fit(X)
    with pytest.raises(ValueError, match="Negative values"):
        PathwayTensorFactorization().fit(-X)
    with pytest.warns(ConvergenceWarning, match="max_iter=1 "):
        PathwayTensorFactorization(max_iter=1, tol=0).fit(X)
