"""Several estimators as the arms of one search."""

from sklearn.pipeline import Pipeline


def cash_space(arms):
    """Join estimators, each with its own distributions, into one estimator to search.

    Combined algorithm selection and hyper-parameter optimisation (CASH) is then an ordinary
    search: every arm is a dict that puts one estimator into the only step of a pipeline.

    Parameters
    ----------
    arms : dict of {str: (estimator, dict)}
        From the name of an arm to its estimator or pipeline and the ``param_distributions`` of
        that estimator alone, as :class:`~sklearn.model_selection.RandomizedSearchCV` takes them.
        An empty dict is an arm with one candidate: the estimator as it is.

    Returns
    -------
    estimator : Pipeline
        With one step, ``"model"``, that holds the first arm's estimator.
    param_distributions : list of dict
        One an arm, in the order of `arms`.

    Raises
    ------
    ValueError
        If there is no arm or one is not such a pair.

    See Also
    --------
    RisingBanditSearchCV : The search for such spaces.
    skstruct.search_space : Ready distributions for common estimators.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.svm import SVC
    >>> from skstruct.model_selection import cash_space
    >>> estimator, distributions = cash_space({
    ...     "svc": (SVC(), {"C": loguniform(1e-2, 1e2)}),
    ...     "forest": (RandomForestClassifier(), {"max_features": [0.25, 0.5, 1.0]}),
    ... })
    >>> estimator
    Pipeline(steps=[('model', SVC())])
    >>> distributions[1]
    {'model': [RandomForestClassifier()], 'model__max_features': [0.25, 0.5, 1.0]}
    """
    if not isinstance(arms, dict) or not arms:
        raise ValueError(f"arms must be a dict with at least one entry, got {arms!r}.")
    distributions = []
    for name, arm in arms.items():
        if not (isinstance(arm, tuple) and len(arm) == 2 and isinstance(arm[1], dict)):
            raise ValueError(
                f"Arm {name!r} must be a pair (estimator, dict of distributions), got {arm!r}."
            )
        estimator, space = arm
        nested = {f"model__{key}": values for key, values in space.items()}
        distributions.append({"model": [estimator], **nested})
    first = next(iter(arms.values()))[0]
    return Pipeline([("model", first)]), distributions
