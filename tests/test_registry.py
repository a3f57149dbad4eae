"""The registry, with distributions that consist of their metadata and a module."""

import sys

import pytest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import skstruct
from skstruct import all_estimators, get_estimator, registry, search_space

ESTIMATORS = "skstruct.estimators"


@pytest.fixture(autouse=True)
def _restore():
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("acme"):
            del sys.modules[name]
    registry._failures.clear()
    registry._warned.clear()
    registry.refresh()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that puts a distribution on sys.path."""

    def put(name, entry_points, code="", version="1.0", refresh=True):
        place = tmp_path / f"{name}-{version}-{len(list(tmp_path.iterdir()))}"
        info = place / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        groups = {}
        for group, key, value in entry_points:
            groups.setdefault(group, []).append(f"{key} = {value}")
        text = "".join(f"[{group}]\n" + "\n".join(lines) + "\n" for group, lines in groups.items())
        (info / "entry_points.txt").write_text(text)
        (place / f"{name}.py").write_text(code)
        monkeypatch.syspath_prepend(str(place))
        if refresh:
            registry.refresh()
        return info

    return put


def test_listing_imports_nothing(install):
    entries = [(ESTIMATORS, "Acme", "acme:Acme"), ("skstruct.kinds", "Acme", "transformer")]
    install("acme", entries, "class Acme: pass", version="2.5")
    (card,) = [card for card in all_estimators() if card.name == "Acme"]
    assert (card.distribution, card.version) == ("acme", "2.5")
    assert (card.family, card.kind, card.value) == ("acme", "transformer", "acme:Acme")
    assert card in all_estimators(kind="transformer", family="acme")
    assert card not in all_estimators(kind="classifier")
    assert "acme" not in sys.modules
    assert get_estimator("Acme") is card.load() is sys.modules["acme"].Acme


def test_family_is_the_last_public_package(install):
    values = {"A": "acme.density._kde:A", "B": "acme._impl:B", "C": "acme:C", "D": "_acme:D"}
    install("acme", [(ESTIMATORS, name, value) for name, value in values.items()])
    families = {c.name: c.family for c in registry.all_cards("acme")}
    assert families == {"A": "density", "B": "acme", "C": "acme", "D": "_acme"}


def test_own_estimators_are_listed_by_name():
    cards = all_estimators()
    names = [card.name for card in cards]
    assert names == sorted(names)
    assert {"IncrementalGaussianMixture", "RisingBanditSearchCV"} <= set(names)
    own = {card.name: card.kind for card in cards if card.distribution == "skstruct"}
    assert own.pop("ThinnedEstimator") is None  # it is what the estimator in it is
    assert set(own.values()) <= set(registry.KINDS)
    policies = [card.name for card in registry.cards("skstruct.policies")]
    assert policies == ["halving", "max_ucb", "rising", "round_robin", "ucb"]


def test_filters_refuse_what_is_not_there():
    with pytest.raises(ValueError, match=r"kind='clasifier' is not one of classifier, clusterer"):
        all_estimators(kind="clasifier")
    with pytest.raises(ValueError, match=r"family='densty' is not installed; there is: .*density"):
        all_estimators(family="densty")
    with pytest.raises(ValueError, match=r"Unknown group 'policies'.*skstruct\.policies"):
        registry.cards("policies")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import there_is_no_such_module", "ModuleNotFoundError: No module named 'there_is"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("1 / 0", "ZeroDivisionError"),
        ("", "AttributeError"),
    ],
)
def test_broken_plugin_hurts_nobody_else(install, recwarn, code, reason):
    install("acme", [(ESTIMATORS, "Acme", "acme:Acme")], code)
    assert "Acme" in [card.name for card in all_estimators()]
    assert get_estimator("RisingBanditSearchCV").__name__ == "RisingBanditSearchCV"
    assert registry.failures() == {}
    for _ in range(2):
        with pytest.raises(
            ImportError, match=rf"'Acme' of the distribution 'acme' \(1.0\).*{reason}"
        ):
            get_estimator("Acme")
    said = [str(w.message) for w in recwarn if issubclass(w.category, RuntimeWarning)]
    assert len(said) == 1
    assert "'Acme' of the distribution 'acme'" in said[0]
    assert "Traceback" in registry.failures()[ESTIMATORS, "Acme"]


def test_mended_plugin_is_no_failure_any_more(install):
    install("acme", [(ESTIMATORS, "Acme", "acme:Acme")], "import there_is_no_such_module")
    with pytest.warns(RuntimeWarning, match="Acme"), pytest.raises(ImportError):
        get_estimator("Acme")
    sys.modules["there_is_no_such_module"] = sys
    try:
        with pytest.raises(ImportError, match="AttributeError"), pytest.warns(RuntimeWarning):
            get_estimator("Acme")
        sys.modules["acme"].Acme = SVC
        assert get_estimator("Acme") is SVC
    finally:
        del sys.modules["there_is_no_such_module"]
    assert registry.failures() == {}


def test_one_name_in_two_distributions(install):
    for name in ("acme_one", "acme_two"):
        install(name, [(ESTIMATORS, "Acme", f"{name}:Acme")], "class Acme: pass")
    both = [card.distribution for card in all_estimators() if card.name == "Acme"]
    assert both == ["acme_one", "acme_two"]
    with pytest.raises(ValueError, match=r"'acme_one' \(1\.0\) and 'acme_two' \(1\.0\)"):
        get_estimator("Acme")
    assert not {"acme_one", "acme_two"} & set(sys.modules)


def test_builtin_name_cannot_be_taken(install, recwarn):
    install("acme", [("skstruct.samplers", "random", "acme:Acme")], "class Acme: pass")
    for _ in range(2):
        (card,) = [c for c in registry.cards("skstruct.samplers") if c.name == "random"]
        assert card.distribution == "skstruct"
    assert registry.load("skstruct.samplers", "random").__name__ == "RandomSampler"
    said = [str(w.message) for w in recwarn if "random" in str(w.message)]
    assert len(said) == 1
    assert "'acme' (1.0) registers the sampler 'random'" in said[0]
    assert [c.name for c in registry.all_cards("acme")] == ["random"]


def test_one_distribution_seen_twice_is_one(install):
    for version in ("1.0", "2.0"):
        install("acme", [(ESTIMATORS, "Acme", "acme:Acme")], "class Acme: pass", version)
    install("ACME", [(ESTIMATORS, "Acme", "acme:Acme")], version="3.0")
    (card,) = [card for card in all_estimators() if card.name == "Acme"]
    assert card.version == "3.0"  # the first on sys.path


def test_unreadable_metadata_is_left_out(install):
    info = install("acme", [(ESTIMATORS, "Acme", "acme:Acme")])
    (info / "entry_points.txt").write_text("[skstruct.estimators]\nno equals sign\n")
    registry.refresh()
    with pytest.warns(RuntimeWarning, match=r"acme-1\.0\.dist-info.*cannot be read"):
        names = [card.name for card in all_estimators()]
    assert "RisingBanditSearchCV" in names


def test_what_is_installed_meanwhile_is_found(install):
    before = all_estimators()
    install("acme", [(ESTIMATORS, "Acme", "acme:Acme")], "class Acme: pass", refresh=False)
    assert all_estimators() == before
    assert get_estimator("Acme").__module__ == "acme"
    assert len(all_estimators()) == len(before) + 1


def test_unknown_name_says_what_to_do():
    with pytest.raises(ValueError) as caught:
        registry.load("skstruct.policies", "risin")
    said = str(caught.value)
    assert said.startswith("Unknown policy 'risin'. Did you mean 'rising'?")
    assert "Installed: halving, max_ucb, rising, round_robin, ucb." in said
    assert "entry-point group 'skstruct.policies'" in said
    with pytest.raises(ValueError, match=r"Did you mean 'sklearn\.svm\.SVC'"):
        search_space("SVC")
    with pytest.raises(TypeError, match="estimator must be a str, got 3"):
        get_estimator(3)


def test_source_tree_that_is_not_installed_says_so(monkeypatch):
    monkeypatch.setattr(registry.metadata, "distributions", list)
    registry.refresh()
    assert all_estimators() == []
    with pytest.raises(ValueError, match="pip install -e"):
        get_estimator("RisingBanditSearchCV")


def test_search_space_of_an_instance_a_class_and_a_name():
    names = {"C", "gamma"}
    for estimator in (SVC, SVC(), "sklearn.svm.SVC"):
        assert set(search_space(estimator)) == names
    search_space(SVC)["C"] = None
    assert search_space(SVC)["C"] is not None
    own = skstruct.get_estimator("IncrementalGaussianMixture").search_space()
    assert set(search_space("IncrementalGaussianMixture")) == set(own)


def test_search_space_of_a_pipeline_joins_its_steps():
    inner = make_pipeline(StandardScaler(), SVC())
    outer = Pipeline(
        [("fill", SimpleImputer()), ("nothing", "passthrough"), ("none", None), ("deep", inner)]
    )
    assert set(search_space(outer)) == {
        "fill__strategy",
        "fill__add_indicator",
        "deep__svc__C",
        "deep__svc__gamma",
    }
    assert set(search_space(outer)) <= set(outer.get_params())
    with pytest.raises(ValueError, match=r"None of the steps.*StandardScaler"):
        search_space(make_pipeline(StandardScaler()))


def test_search_space_is_not_inherited_by_name():
    class MySVC(SVC):
        pass

    with pytest.raises(ValueError, match="Unknown search space"):
        search_space(MySVC)


def test_method_of_the_class_comes_before_the_entry_point(install):
    entries = [
        ("skstruct.search_spaces", "acme.Bare", "acme:entry"),
        ("skstruct.search_spaces", "acme.Own", "acme:entry"),
    ]
    code = (
        "def entry():\n    return {'a': [1]}\n"
        "class Bare:\n    pass\n"
        "class Own:\n"
        "    @classmethod\n    def search_space(cls):\n        return {'b': [2]}\n"
    )
    install("acme", entries, code)
    import acme

    assert search_space(acme.Bare) == {"a": [1]}
    assert search_space(acme.Own) == {"b": [2]}
