"""Everything that a distribution registers, checked."""

import importlib
from functools import partial

from skstruct import registry
from skstruct.testing._estimator import check_search_space, estimator_checks
from skstruct.testing._policy import policy_checks
from skstruct.testing._report import Check, Report
from skstruct.testing._sampler import sampler_checks


def check_import(card):
    """What is registered can be imported, and is a class, or a function for a search space."""
    loaded = card.load()
    if card.group == "skstruct.search_spaces":
        assert callable(loaded), f"{card.value} is no function but {loaded!r}"
    else:
        assert isinstance(loaded, type), f"{card.value} is no class but {loaded!r}"


def check_name(card):
    """No other distribution registers the name."""
    others = {
        other.distribution
        for other in registry.all_cards()
        if (other.group, other.name) == (card.group, card.name)
    } - {card.distribution}
    assert not others, f"{card.name!r} is also registered by {', '.join(sorted(others))}"


def check_registered_space(card):
    """Each point of the space can be set and fitted, and gives numbers."""
    module, _, name = card.name.rpartition(".")
    cls = getattr(importlib.import_module(module), name)
    assert registry.public_path(cls) == card.name, f"register it as {registry.public_path(cls)!r}"
    check_search_space(cls())


def plugin_checks(distribution):
    """List the checks of all that a distribution registers.

    Parameters
    ----------
    distribution : str
        Its name, as ``pip`` knows it.

    Returns
    -------
    checks : list of Check

    Raises
    ------
    ValueError
        If it is not installed, or registers nothing.
    """
    registry.refresh()
    found = registry.all_cards(distribution)
    if not found:
        raise ValueError(
            f"The distribution {distribution!r} is not installed, or it registers nothing in the "
            f"entry-point groups {', '.join(registry.GROUPS)}."
        )
    return [check for card in found for check in _card_checks(card)]


def _card_checks(card):
    subject = card.name
    checks = [Check(subject, f.__name__, f, card) for f in (check_import, check_name)]
    try:
        check_import(card)
    except (ImportError, AssertionError):
        return checks  # the first of them tells
    if card.group == "skstruct.search_spaces":
        return [*checks, Check(subject, "check_registered_space", check_registered_space, card)]
    listing = {
        "skstruct.estimators": partial(estimator_checks, kind=card.kind),
        "skstruct.policies": policy_checks,
        "skstruct.samplers": sampler_checks,
    }.get(card.group)
    if listing is None:
        return checks
    return [*checks, *_list_checks(partial(listing, subject=subject), card.load(), subject)]


def _list_checks(listing, checked, subject):
    """List the checks; what cannot even be made, or is no estimator, fails one check."""
    try:
        return listing(checked)
    except Exception as error:
        return [Check(subject, "check_instances", partial(check_instances, error), checked)]


def check_instances(error, checked):
    """There are instances to check: without arguments, or from conformance_instances."""
    raise error


def check_estimator(estimator):
    """Check an estimator: scikit-learn's checks, with no expected failure, and skstruct's.

    Parameters
    ----------
    estimator : estimator instance or class
        Of a class, the instances that its classmethod ``conformance_instances`` gives are checked
        or, if it has none, the one with default parameters.

    Returns
    -------
    report : Report
        With all failures, and what was skipped.

    See Also
    --------
    check_plugin : Check all that a distribution registers.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skstruct.testing import check_estimator
    >>> report = check_estimator(GaussianNB())
    >>> [failure.check for failure in report.failures]
    [...]
    """
    subject = getattr(estimator, "__name__", type(estimator).__name__)
    return Report(subject).run(_list_checks(estimator_checks, estimator, subject))


def check_plugin(distribution):
    """Check all that a distribution registers: estimators, policies, samplers, search spaces.

    Parameters
    ----------
    distribution : str
        Its name, as ``pip`` knows it.

    Returns
    -------
    report : Report
        With all failures, and what was skipped.

    Raises
    ------
    ValueError
        If it is not installed, or registers nothing.

    See Also
    --------
    check_estimator : Check an estimator that need not be registered.
    """
    return Report(distribution).run(plugin_checks(distribution))
