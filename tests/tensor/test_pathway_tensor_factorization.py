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
from skstruct.tensor._pathway_cells import Cells, unit_sums


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


def small(seed=0):
    """Return (counts, memberships with weights, P, G, Z, weights of samples)."""
    rng = np.random.default_rng(seed)
    X = rng.poisson(1.0, (6, 8)).astype(float)
    M = np.where(rng.random((5, 8)) < 0.5, rng.random((5, 8)) + 0.5, 0.0)
    M[:, 0] = 0  # a gene of no pathway
    M[np.arange(5), np.arange(1, 6)] = 1
    P, G, Z = rng.random((5, 2)), rng.random((8, 3)), rng.random((6, 6))
    return X, M, P, G, Z, rng.integers(0, 3, 6).astype(float)


def dense_ratios(X, M, P, G, Z):
    """Return (M x / mu, mu) of the whole tensor."""
    mu = np.einsum("sbc,pb,gc->spg", Z.reshape(-1, 2, 3), P, G)
    return M * X[:, np.newaxis] / mu, mu


def fitted(X, M=None, y=None, sample_weight=None, **params):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = PathwayTensorFactorization(M, **({"random_state": 0} | params))
        return model.fit(X, y, sample_weight=sample_weight)


def test_steps_are_those_of_the_dense_tensor():
    X, M, P, G, Z, weight = small()
    cells = Cells(X, csr_array(M).tocsc(), weight)
    assert cells.n_cells == ((X[:, np.newaxis] * M) > 0).sum()

    rho, _ = dense_ratios(X, M, P, G, Z)
    exposure = np.einsum("pg,pb,gc->bc", M, P, G)
    expected = Z.reshape(6, 2, 3) * np.einsum("spg,pb,gc->sbc", rho, P, G) / exposure
    found = Z.copy()
    cells.update_scores(P, G, found, 1, 0.0)
    np.testing.assert_allclose(found, expected.reshape(6, 6), rtol=1e-12)

    Z3, w = Z.reshape(6, 2, 3), weight[:, np.newaxis, np.newaxis]
    ratio = np.einsum("spg,sbc,gc->pb", w * rho, Z3, G)
    ratio /= np.einsum("sbc,pg,gc->pb", w * Z3, M, G)
    moved = Z.copy()
    found = cells.update_pathways(P, G, moved)
    np.testing.assert_allclose(found, P * ratio / (P * ratio).sum(axis=0), rtol=1e-12)
    expected = Z3 * (P * ratio).sum(axis=0)[:, np.newaxis]
    np.testing.assert_allclose(moved, expected.reshape(6, 6), rtol=1e-12)

    ratio = np.einsum("spg,sbc,pb->gc", w * rho, Z3, P)[1:]
    ratio /= np.einsum("sbc,pg,pb->gc", w * Z3, M, P)[1:]
    moved = Z.copy()
    found = cells.update_genes(P, G, moved)
    assert not found[0].any()
    stepped = G[1:] * ratio
    np.testing.assert_allclose(found[1:], stepped / stepped.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moved.reshape(6, 2, 3), Z3 * stepped.sum(axis=0), rtol=1e-12)


def test_divergence_is_that_of_the_annotated_cells():
    X, M, P, G, Z, weight = small()
    _, mu = dense_ratios(X, M, P, G, Z)
    T, w = np.broadcast_to(X[:, np.newaxis], mu.shape), weight[:, np.newaxis, np.newaxis]
    logs = np.where(T > 0, T * np.log(np.where(T > 0, T, 1) / mu), 0)
    expected = (w * M * (mu - T + logs)).sum() / (w * M * T).sum()
    found = Cells(X, csr_array(M).tocsc(), weight).divergence(P, G, Z)
    assert found == pytest.approx(expected, rel=1e-12)


def test_no_step_increases_the_objective():
    X, M, P, G, Z, weight = small(3)
    cells = Cells(X, csr_array(M).tocsc(), weight)
    P, G = unit_sums(P)[0], unit_sums(G)[0]
    before = cells.divergence(P, G, Z)
    for _ in range(50):
        cells.update_scores(P, G, Z, 1, 0.0)
        after_scores = cells.divergence(P, G, Z)
        P = cells.update_pathways(P, G, Z)
        after_pathways = cells.divergence(P, G, Z)
        G = cells.update_genes(P, G, Z)
        after = cells.divergence(P, G, Z)
        assert before + 1e-12 > after_scores > after_pathways - 1e-12 > after - 2e-12
        before = after
    assert (np.diff(fitted(X, M, n_gene_groups=2, tol=0).objective_) <= 1e-12).all()


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
    scaled = fitted(1e9 * X, M, max_iter=20)
    np.testing.assert_allclose(scaled.pathway_groups_, exact.pathway_groups_, rtol=1e-8)
    np.testing.assert_allclose(scaled.transform(1e9 * X), 1e9 * exact.transform(X), rtol=1e-8)


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
    with pytest.raises(ValueError, match="Negative values"):
        PathwayTensorFactorization().fit(-X)
    with pytest.warns(ConvergenceWarning, match="max_iter=1 "):
        PathwayTensorFactorization(max_iter=1, tol=0).fit(X)
