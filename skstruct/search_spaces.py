"""Search spaces of scikit-learn's common estimators, registered by the public path of the class.

A space is small: the two to five parameters that most decide the score, since each more makes a
search longer. Which they are, and how far they reach, follows the studies of tuned parameters over
many data sets [1]_ [2]_ and the spaces of published searches [3]_ [4]_. Scales that span decades
are logarithmic; a list of growing numbers is an ordinal scale, read by its index. The ranges
expect standardised features wherever scikit-learn's guide does. Left out is what the scorer
decides (``class_weight``), what only buys time (``n_estimators`` of a forest) and what the data
must allow (``n_components`` of a projection that may not exceed the number of features).

References
----------
.. [1] P. Probst, A.-L. Boulesteix, B. Bischl, "Tunability: Importance of Hyperparameters of
   Machine Learning Algorithms", JMLR 20(53), 2019. arXiv:1802.09596
.. [2] J. N. van Rijn, F. Hutter, "Hyperparameter Importance Across Datasets", KDD 2018.
   arXiv:1710.04725
.. [3] M. Feurer, A. Klein, K. Eggensperger, J. Springenberg, M. Blum, F. Hutter, "Efficient and
   Robust Automated Machine Learning", NeurIPS 2015.
.. [4] L. Grinsztajn, E. Oyallon, G. Varoquaux, "Why do tree-based models still outperform deep
   learning on typical tabular data?", NeurIPS 2022. arXiv:2207.08815
"""

from scipy.stats import loguniform, randint, uniform


def _between(low, high):
    return uniform(low, high - low)


# Linear models


def logistic_regression():
    """Return the space of LogisticRegression."""
    return {"C": loguniform(1e-4, 1e4)}


def ridge():
    """Return the space of Ridge and RidgeClassifier."""
    return {"alpha": loguniform(1e-4, 1e4)}


def lasso():
    """Return the space of Lasso; ``alpha`` is in units of the target."""
    return {"alpha": loguniform(1e-5, 1e1)}


def elastic_net():
    """Return the space of ElasticNet; ``alpha`` is in units of the target."""
    return {"alpha": loguniform(1e-5, 1e1), "l1_ratio": _between(0.01, 1.0)}


def huber():
    """Return the space of HuberRegressor."""
    return {"epsilon": _between(1.05, 3.0), "alpha": loguniform(1e-6, 1e2)}


def sgd_classifier():
    """Return the space of SGDClassifier."""
    return {
        "loss": ["hinge", "log_loss", "modified_huber"],
        "penalty": ["l2", "l1", "elasticnet"],
        "alpha": loguniform(1e-7, 1e-1),
    }


def sgd_regressor():
    """Return the space of SGDRegressor."""
    return {
        "loss": ["squared_error", "huber", "epsilon_insensitive"],
        "penalty": ["l2", "l1", "elasticnet"],
        "alpha": loguniform(1e-7, 1e-1),
        "eta0": loguniform(1e-4, 1e-1),
    }


# Support vectors and kernels


def svc():
    """Return the space of SVC."""
    return {"C": loguniform(1e-2, 1e3), "gamma": loguniform(1e-4, 1e1)}


def svr():
    """Return the space of SVR; ``C`` and ``epsilon`` are in units of the target."""
    return svc() | {"epsilon": loguniform(1e-3, 1.0)}


def linear_svc():
    """Return the space of LinearSVC."""
    return {"C": loguniform(1e-4, 1e2)}


def linear_svr():
    """Return the space of LinearSVR; ``C`` and ``epsilon`` are in units of the target."""
    return {"C": loguniform(1e-4, 1e2), "epsilon": loguniform(1e-3, 1.0)}


def kernel_ridge():
    """Return the space of KernelRidge with a Gaussian kernel."""
    return {"kernel": ["rbf"], "alpha": loguniform(1e-6, 1e1), "gamma": loguniform(1e-4, 1e1)}


def gaussian_process_regressor():
    """Return the space of GaussianProcessRegressor, whose kernel fits its own parameters."""
    return {"alpha": loguniform(1e-8, 1.0), "normalize_y": [True]}


# Neighbours, Bayes, discriminants, networks


def k_neighbors():
    """Return the space of KNeighborsClassifier and KNeighborsRegressor."""
    return {
        "n_neighbors": [1, 2, 3, 5, 7, 10, 14, 20, 28, 40],
        "weights": ["uniform", "distance"],
        "p": [1, 2],
    }


def gaussian_nb():
    """Return the space of GaussianNB."""
    return {"var_smoothing": loguniform(1e-11, 1.0)}


def discrete_nb():
    """Return the space of BernoulliNB, ComplementNB and MultinomialNB."""
    return {"alpha": loguniform(1e-3, 1e2), "fit_prior": [True, False]}


def linear_discriminant():
    """Return the space of LinearDiscriminantAnalysis with a solver that can shrink."""
    return {"solver": ["eigen"], "shrinkage": loguniform(1e-4, 1.0)}


def quadratic_discriminant():
    """Return the space of QuadraticDiscriminantAnalysis."""
    return {"reg_param": loguniform(1e-5, 1.0)}


def mlp():
    """Return the space of MLPClassifier and MLPRegressor."""
    return {
        "hidden_layer_sizes": [(32,), (100,), (256,), (64, 64), (128, 128)],
        "alpha": loguniform(1e-7, 1e-1),
        "learning_rate_init": loguniform(1e-4, 3e-2),
    }


# Trees


def tree():
    """Return the space of DecisionTreeClassifier and DecisionTreeRegressor."""
    return {"max_depth": randint(2, 21), "min_samples_leaf": [1, 2, 4, 8, 16, 32, 64]}


def forest():
    """Return the space of random forests and of extra trees.

    The share of the features that a split looks at is searched on a log scale, in whose middle
    lies the square root of about 30 features.
    """
    return {"max_features": loguniform(0.03, 1.0), "min_samples_leaf": [1, 2, 3, 5, 8, 12, 20]}


def hist_gradient_boosting():
    """Return the space of HistGradientBoostingClassifier and HistGradientBoostingRegressor."""
    return {
        "learning_rate": loguniform(1e-2, 0.5),
        "max_iter": [50, 100, 200, 400],
        "max_leaf_nodes": [7, 15, 31, 63, 127],
        "min_samples_leaf": [2, 5, 10, 20, 50, 100],
        "l2_regularization": loguniform(1e-6, 1e2),
    }


def gradient_boosting():
    """Return the space of GradientBoostingClassifier and GradientBoostingRegressor."""
    return {
        "learning_rate": loguniform(1e-2, 0.5),
        "n_estimators": [50, 100, 200, 400],
        "max_depth": randint(1, 9),
        "subsample": _between(0.4, 1.0),
    }


def ada_boost():
    """Return the space of AdaBoostClassifier and AdaBoostRegressor."""
    return {"learning_rate": loguniform(1e-2, 2.0), "n_estimators": [25, 50, 100, 200, 400]}


# Transformers


def pca():
    """Return the space of PCA: the share of the variance to keep."""
    return {"n_components": _between(0.5, 0.999), "whiten": [False, True]}


def select_k_best():
    """Return the space of SelectKBest."""
    return {"k": [5, 10, 20, 40, 80, 160]}


def select_percentile():
    """Return the space of SelectPercentile."""
    return {"percentile": randint(5, 101)}


def polynomial_features():
    """Return the space of PolynomialFeatures, whose output grows as d^degree."""
    return {"degree": [1, 2], "interaction_only": [False, True]}


def spline_transformer():
    """Return the space of SplineTransformer."""
    return {"n_knots": randint(3, 13), "degree": [1, 2, 3]}


def k_bins_discretizer():
    """Return the space of KBinsDiscretizer."""
    return {"n_bins": randint(2, 21), "strategy": ["uniform", "quantile", "kmeans"]}


def quantile_transformer():
    """Return the space of QuantileTransformer."""
    return {"n_quantiles": [10, 32, 100], "output_distribution": ["uniform", "normal"]}


def kernel_map():
    """Return the space of Nystroem and RBFSampler with a Gaussian kernel."""
    return {"gamma": loguniform(1e-4, 1e1), "n_components": [25, 50, 100, 200, 400]}


def simple_imputer():
    """Return the space of SimpleImputer for numbers."""
    return {"strategy": ["mean", "median"], "add_indicator": [False, True]}


def knn_imputer():
    """Return the space of KNNImputer."""
    return {"n_neighbors": [1, 2, 3, 5, 10, 20], "weights": ["uniform", "distance"]}


def count_vectorizer():
    """Return the space of CountVectorizer."""
    return {
        "ngram_range": [(1, 1), (1, 2), (1, 3)],
        "min_df": [1, 2, 3, 5],
        "max_df": _between(0.5, 1.0),
        "binary": [False, True],
    }


def tfidf_vectorizer():
    """Return the space of TfidfVectorizer."""
    return count_vectorizer() | {"sublinear_tf": [False, True]}


# Clusters and densities that predict on new samples


def k_means():
    """Return the space of KMeans and MiniBatchKMeans, as a step that makes features."""
    return {"n_clusters": [2, 3, 5, 8, 12, 20]}


def gaussian_mixture():
    """Return the space of GaussianMixture and BayesianGaussianMixture."""
    return {
        "n_components": randint(1, 13),
        "covariance_type": ["full", "tied", "diag", "spherical"],
        "reg_covar": loguniform(1e-7, 1e-1),
    }


def kernel_density():
    """Return the space of KernelDensity."""
    return {"bandwidth": loguniform(0.03, 3.0), "kernel": ["gaussian", "epanechnikov"]}
