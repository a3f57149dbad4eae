"""Plug-ins: what is installed, found by entry point and imported only when it is asked for.

A distribution, skstruct itself included, declares in its own metadata what it brings, in the
groups of ``GROUPS``; the group ``skstruct.kinds`` says of each estimator what it is, so that a
listing needs no import. The metadata is read on first use and kept until :func:`refresh`; a name
that is not known makes it read once more, so that what was installed meanwhile is found.

A plug-in cannot hurt. One that fails to import, or whose metadata cannot be read, is a warning,
given once, and an error only for who asks for it by name. A name of skstruct's own stays
skstruct's: the plug-in that takes it is left out, with a warning. A name that two plug-ins take is
listed twice, and an error that names both when it is asked for.
"""

import difflib
import re
import traceback
import warnings
from dataclasses import dataclass
from functools import cache
from importlib import metadata

BUILTIN = "skstruct"
PIPELINE = "sklearn.pipeline.Pipeline"
GROUPS = {
    "skstruct.estimators": "estimator",
    "skstruct.policies": "policy",
    "skstruct.samplers": "sampler",
    "skstruct.stores": "store",
    "skstruct.search_spaces": "search space",
}
KINDS = (
    "classifier",
    "clusterer",
    "density_estimator",
    "outlier_detector",
    "regressor",
    "search",
    "transformer",
)

_failures = {}
_warned = set()


@dataclass(frozen=True)
class Card:
    """What is known of a registered object before it is imported.

    Attributes
    ----------
    name : str
        The name it is asked for.
    family : str
        The last public package of its module: ``"density"`` for ``skstruct.density:X``.
    kind : str or None
        One of ``KINDS``; None where the distribution does not say.
    distribution, version : str
        What to install, and what is installed.
    value : str
        ``"module:object"``.
    group : str
        One of ``GROUPS``.
    """

    name: str
    family: str
    kind: str | None
    distribution: str
    version: str
    value: str
    group: str

    def load(self):
        """Import the object.

        Raises
        ------
        ImportError
            If that fails for whatever reason; :func:`failures` then has the traceback.
        """
        try:
            loaded = metadata.EntryPoint(self.name, self.value, self.group).load()
        except (Exception, SystemExit) as error:
            _failures[self.group, self.name] = traceback.format_exc()
            message = (
                f"The {GROUPS[self.group]} {self.name!r} of the distribution {self._source} "
                f"cannot be imported from {self.value!r}: {type(error).__name__}: {error}. "
                "Mend or uninstall it; skstruct.registry.failures() has the traceback."
            )
            _warn_once(message)
            raise ImportError(message) from error
        _failures.pop((self.group, self.name), None)
        return loaded

    @property
    def _source(self):
        return f"{self.distribution!r} ({self.version})"


def _warn_once(message):
    if message not in _warned:
        _warned.add(message)
        warnings.warn(message, RuntimeWarning, stacklevel=3)


def _canonical(distribution):
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _family(value):
    packages = value.partition(":")[0].split(".")
    return next((p for p in reversed(packages) if not p.startswith("_")), packages[0])


def _read(distribution):
    """Return the cards of one distribution."""
    entries = [e for e in distribution.entry_points if e.group.startswith("skstruct.")]
    kinds = {e.name: e.value for e in entries if e.group == "skstruct.kinds"}
    return [
        Card(
            name=entry.name,
            family=_family(entry.value),
            kind=kinds.get(entry.name) if entry.group == "skstruct.estimators" else None,
            distribution=distribution.name,
            version=distribution.version,
            value=entry.value,
            group=entry.group,
        )
        for entry in dict.fromkeys(entries)
        if entry.group in GROUPS
    ]


@cache
def _scan():
    """Return the cards of all distributions."""
    found = {}
    for distribution in metadata.distributions():
        # A raw look at the text first: parsing the metadata of all that is installed is slow.
        try:
            if "skstruct." not in (distribution.read_text("entry_points.txt") or ""):
                continue
            name = _canonical(distribution.name)
            # Of two copies on sys.path (an editable one and a wheel, say) the first is imported.
            if name not in found:
                found[name] = _read(distribution)
        except Exception as error:
            where = getattr(distribution, "_path", distribution)
            _warn_once(
                f"The entry points in '{where}' cannot be read: {error!r}. They are left out."
            )
    return [card for read in found.values() for card in read]


def refresh():
    """Forget what was read, so that the next call sees what was installed or removed since."""
    _scan.cache_clear()


def all_cards(distribution=None):
    """List what is registered in any group, names that skstruct keeps for itself included.

    Parameters
    ----------
    distribution : str, default=None
        By which distribution, as ``pip`` knows it; None for all.

    Returns
    -------
    cards : list of Card
    """
    wanted = distribution and _canonical(distribution)
    return [c for c in _scan() if wanted in (None, _canonical(c.distribution))]


def cards(group):
    """List what is registered in a group, without importing it.

    Parameters
    ----------
    group : str
        One of ``GROUPS``, ``"skstruct.policies"`` say.

    Returns
    -------
    cards : list of Card
        Sorted by name.
    """
    if group not in GROUPS:
        raise ValueError(f"Unknown group {group!r}. The groups are: {', '.join(GROUPS)}.")
    found = sorted(
        (c for c in _scan() if c.group == group), key=lambda c: (c.name, c.distribution)
    )
    builtin = {card.name for card in found if card.distribution == BUILTIN}
    listed = [c for c in found if c.distribution == BUILTIN or c.name not in builtin]
    for card in found:
        if card not in listed:
            _warn_once(
                f"The distribution {card._source} registers the {GROUPS[group]} {card.name!r}, a "
                "name of skstruct's own: skstruct's stays, the other is left out. Ask the authors "
                "of the distribution for another name."
            )
    return listed


def load(group, name):
    """Import a registered object by its name.

    Parameters
    ----------
    group : str
        One of ``GROUPS``.
    name : str
        As :func:`cards` lists it.

    Returns
    -------
    loaded : object

    Raises
    ------
    ValueError
        If nothing of that name is installed, or if two distributions register it.
    ImportError
        If it cannot be imported.
    """
    named = [card for card in cards(group) if card.name == name]
    if not isinstance(name, str):
        raise TypeError(f"The name of a {GROUPS[group]} must be a str, got {name!r}.")
    if not named:
        refresh()
        named = [card for card in cards(group) if card.name == name]
    if not named:
        raise ValueError(_unknown(group, name))
    if len(named) > 1:
        raise ValueError(
            f"The {GROUPS[group]} {name!r} is registered by more than one distribution: "
            f"{' and '.join(card._source for card in named)}. Uninstall all but one of them."
        )
    return named[0].load()


def _unknown(group, name):
    """Say what is installed, what may have been meant and what to do."""
    known = sorted({card.name for card in cards(group)})
    near = [k for k in known if k.rpartition(".")[2] == name.rpartition(".")[2]]
    near = near or difflib.get_close_matches(name, known, n=3)
    meant = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    if not all_cards(BUILTIN):
        remedy = (
            "skstruct itself is only found on sys.path and not installed, so that its own entry "
            "points are missing: run 'pip install -e .' in its source tree."
        )
    else:
        remedy = (
            "If it belongs to a plug-in, install the distribution that registers it in the "
            f"entry-point group {group!r}."
        )
    installed = ", ".join(known) or "none"
    return f"Unknown {GROUPS[group]} {name!r}.{meant} Installed: {installed}. {remedy}"


def failures():
    """Tell what could not be imported so far.

    Returns
    -------
    failures : dict of {(group, name): str}
        The formatted tracebacks.
    """
    return dict(_failures)


def all_estimators(*, kind=None, family=None):
    """List the installed estimators, without importing them.

    Parameters
    ----------
    kind : {"classifier", "clusterer", "density_estimator", "outlier_detector", "regressor", \
            "search", "transformer"}, default=None
        What the estimator is; None for all.
    family : str, default=None
        The family it belongs to, ``"density"`` say; None for all.

    Returns
    -------
    cards : list of Card
        Sorted by name; ``card.load()`` imports the class.

    See Also
    --------
    get_estimator : Import an estimator by its name.

    Examples
    --------
    >>> from skstruct import all_estimators
    >>> for card in all_estimators(family="density", kind="classifier"):
    ...     print(card.name, card.kind, card.distribution)
    IncrementalGaussianMixtureClassifier classifier skstruct
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind={kind!r} is not one of {', '.join(KINDS)}.")
    found = cards("skstruct.estimators")
    families = sorted({card.family for card in found})
    if family is not None and family not in families:
        raise ValueError(f"family={family!r} is not installed; there is: {', '.join(families)}.")
    return [
        card
        for card in found
        if (kind is None or card.kind == kind) and (family is None or card.family == family)
    ]


def get_estimator(name):
    """Import the class of an installed estimator.

    Parameters
    ----------
    name : str
        As :func:`all_estimators` lists it.

    Returns
    -------
    estimator : class

    Raises
    ------
    ValueError
        If nothing of that name is installed, or if two distributions register it.
    ImportError
        If it cannot be imported.

    Examples
    --------
    >>> from skstruct import get_estimator
    >>> get_estimator("IncrementalGaussianMixture")()
    IncrementalGaussianMixture()
    """
    return load("skstruct.estimators", name)


def public_path(cls):
    """Return the dotted path of a class up to its first private module."""
    packages = re.split(r"\._", cls.__module__)[0]
    return f"{packages}.{cls.__qualname__}"


def search_space(estimator):
    """Return the distributions to search the parameters of an estimator in.

    Parameters
    ----------
    estimator : estimator instance, class or str
        An instance or a class; a name that :func:`all_estimators` lists, or the public path of a
        class as the entry points of ``skstruct.search_spaces`` give it, ``"sklearn.svm.SVC"`` say.
        For a :class:`~sklearn.pipeline.Pipeline`, the spaces of its steps are joined; steps
        without one add nothing.

    Returns
    -------
    space : dict of {str: distribution or list}
        What :class:`~sklearn.model_selection.RandomizedSearchCV` takes as ``param_distributions``.

    Raises
    ------
    ValueError
        If there is none.

    Notes
    -----
    The classmethod ``search_space`` of a class comes first, then its entry point. A subclass does
    not inherit the entry point of its parent, whose parameters may be others.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn.svm import SVC
    >>> from skstruct import search_space
    >>> sorted(search_space(make_pipeline(StandardScaler(), SVC())))
    ['svc__C', 'svc__gamma']
    """
    if isinstance(estimator, str):
        names = {card.name for card in cards("skstruct.estimators")}
        if estimator not in names:
            return load("skstruct.search_spaces", estimator)()
        estimator = get_estimator(estimator)
    cls = estimator if isinstance(estimator, type) else type(estimator)
    if hasattr(cls, "search_space"):
        return cls.search_space()
    path = public_path(cls)
    if path == PIPELINE and estimator is not cls:
        return _joined_space(estimator)
    return load("skstruct.search_spaces", path)()


def _joined_space(pipeline):
    """Return the spaces of the steps that have one, each key behind the name of its step."""
    registered = {card.name for card in cards("skstruct.search_spaces")} | {PIPELINE}
    joined = {}
    for name, step in pipeline.steps:
        if hasattr(step, "search_space") or public_path(type(step)) in registered:
            joined |= {f"{name}__{key}": values for key, values in search_space(step).items()}
    if not joined:
        steps = ", ".join(type(step).__name__ for _, step in pipeline.steps)
        raise ValueError(f"None of the steps of the pipeline has a search space: {steps}.")
    return joined
