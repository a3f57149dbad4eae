"""The arms of a search: scikit-learn's and skstruct's usual ones, and registered plug-ins."""

from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skstruct import registry
from skstruct.cli._errors import UserError, did_you_mean, one_line
from skstruct.model_selection._default_arms import default_arms

KINDS = {"classification": "classifier", "regression": "regressor"}


def make_arms(task, names, preprocessor, *, n_samples, seed):
    """{name: (pipeline, distributions)}; each pipeline begins with ``preprocessor``."""
    if names is None:
        arms = default_arms(task, n_samples=n_samples, random_state=seed)
    else:
        usual = default_arms(task, random_state=seed)
        arms = {
            name: usual.get(name) or _registered_arm(name, task, usual, seed) for name in names
        }
    return {
        name: (Pipeline([("prepare", preprocessor), *pipeline.steps]), distributions)
        for name, (pipeline, distributions) in arms.items()
    }


def _registered_arm(name, task, usual, seed):
    """An estimator that a distribution registers, behind a scaler, with the space it declares."""
    kind = KINDS[task]
    cards = {card.name: card for card in registry.all_estimators()}
    if name not in cards:
        known = [*usual, *(n for n, card in cards.items() if card.kind == kind)]
        hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
        raise UserError(f"there is no arm {name!r}{hint}")
    if cards[name].kind != kind:
        actual = f"a {cards[name].kind}" if cards[name].kind else "registered without a kind"
        raise UserError(f"the arm {name!r} is {actual}; this task needs a {kind}")
    try:
        estimator = registry.get_estimator(name)()
        space = registry.search_space(estimator)
    except (ImportError, ValueError, TypeError) as error:
        raise UserError(f"the arm {name!r} cannot be searched: {one_line(error)}") from error
    if "random_state" in estimator.get_params(deep=False):
        estimator.set_params(random_state=seed)
    pipeline = Pipeline([("scale", StandardScaler()), ("model", estimator)])
    return pipeline, {f"model__{key}": values for key, values in space.items()}
