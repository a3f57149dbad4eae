# The arms of a search that names none: what a practitioner tries first on a numeric table, one of
# each family of methods, so that a bandit has something to choose between. Each arm is a Pipeline
# whose last step is "model"; distances, margins and penalties see standardised columns, and where
# a parameter is in units of the target the target is standardised too. Three arms do not scale to
# long tables: a kernel machine's fit grows between n^2 and n^3 and all pairs of neighbours as n^2,
# so these are left out; the trees of a forest, which search every threshold, get a sample each.

from sklearn.compose import TransformedTargetRegressor
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from skstruct.registry import get_estimator, search_space

# Rows above which an arm is left out, and rows that each tree of a random forest gets at most.
MAX_SAMPLES = {"svm": 10_000, "neighbors": 50_000}
MAX_TREE_SAMPLES = 10_000


def default_arms(task, *, n_samples=None, impute=False, random_state=None):
    """Return the arms of a search over a numeric table.

    Parameters
    ----------
    task : {"classification", "regression"}
        What the target is.
    n_samples : int, default=None
        Number of rows. Above 10,000 the arm ``"svm"`` is left out, and each tree of the random
        forest is grown on a draw of 10,000 rows; above 50,000 ``"neighbors"`` is left out too.
        Otherwise a fit or prediction would take minutes. None for all arms as they are.
    impute : bool, default=False
        Whether the arms that take no missing values begin with an imputer. The forests and
        boosting take them as they are.
    random_state : int, default=None
        Seed of the arms that draw random numbers. Without one a search cannot be repeated.

    Returns
    -------
    arms : dict of {str: (Pipeline, dict)}
        The pipeline of each arm and its ``param_distributions``.

    Raises
    ------
    ValueError
        If `task` is another one.

    See Also
    --------
    cash_space : Join arms into one estimator and its ``param_distributions``.
    skstruct.search_space : The distributions of one estimator.

    Examples
    --------
    >>> from skstruct.model_selection._default_arms import default_arms
    >>> arms = default_arms("regression", n_samples=20_000, random_state=0)
    >>> list(arms)
    ['linear', 'elastic_net', 'neighbors', 'random_forest', 'extra_trees', 'boosting', 'mixture']
    >>> pipeline, distributions = arms["linear"]
    >>> list(distributions)
    ['model__alpha']
    """
    scaled = [("scale", StandardScaler())]
    if impute:
        scaled.insert(0, ("impute", SimpleImputer()))
    share = MAX_TREE_SAMPLES / n_samples if (n_samples or 0) > MAX_TREE_SAMPLES else None
    if task == "classification":
        mixture = get_estimator("IncrementalGaussianMixtureClassifier")
        arms = {
            "linear": _arm(LogisticRegression(max_iter=500), steps=scaled),
            "discriminant": _arm(LinearDiscriminantAnalysis(), steps=scaled),
            "neighbors": _arm(KNeighborsClassifier(), steps=scaled),
            "svm": _arm(SVC(cache_size=500), steps=scaled),
            "random_forest": _arm(RandomForestClassifier(max_samples=share)),
            "extra_trees": _arm(ExtraTreesClassifier()),
            "boosting": _arm(HistGradientBoostingClassifier()),
            "mixture": _arm(mixture(), steps=scaled),
        }
    elif task == "regression":
        mixture = get_estimator("IncrementalGaussianMixtureRegressor")
        arms = {
            "linear": _arm(Ridge(), steps=scaled),
            "elastic_net": _arm(ElasticNet(), steps=scaled, scale_target=True),
            "neighbors": _arm(KNeighborsRegressor(), steps=scaled),
            "svm": _arm(SVR(cache_size=500), steps=scaled, scale_target=True),
            "random_forest": _arm(RandomForestRegressor(max_samples=share)),
            "extra_trees": _arm(ExtraTreesRegressor()),
            "boosting": _arm(HistGradientBoostingRegressor()),
            "mixture": _arm(mixture(), steps=scaled),
        }
    else:
        raise ValueError(f"task={task!r} is neither 'classification' nor 'regression'.")
    for pipeline, _ in arms.values():
        random = [name for name in pipeline.get_params() if name.endswith("__random_state")]
        pipeline.set_params(**dict.fromkeys(random, random_state))
    if n_samples is None:
        return arms
    return {n: arm for n, arm in arms.items() if n_samples <= MAX_SAMPLES.get(n, n_samples)}


def _arm(model, *, steps=(), scale_target=False):
    space, prefix = search_space(model), "model__"
    if scale_target:
        model = TransformedTargetRegressor(model, transformer=StandardScaler())
        prefix = "model__regressor__"
    pipeline = Pipeline([*steps, ("model", model)])
    return pipeline, {prefix + name: values for name, values in space.items()}
