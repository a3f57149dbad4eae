"""What an import costs and changes, by what is imported: a clock would depend on the machine."""

import subprocess
import sys

import pytest

FAMILIES = ["skstruct.density", "skstruct.model_selection", "skstruct.search_spaces"]


def run(code):
    """Run code in a new interpreter and return what it prints, by lines."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


def test_import_loads_the_registry_alone():
    new = run(
        "import sys; before = set(sys.modules); import skstruct\n"
        "for name in set(sys.modules) - before:\n"
        "    if name.partition('.')[0] not in sys.stdlib_module_names: print(name)"
    )
    assert sorted(new) == ["skstruct", "skstruct.registry"]


def test_listing_loads_nothing():
    new = run(
        "import sys, skstruct; before = set(sys.modules)\n"
        "cards = skstruct.all_estimators() + skstruct.registry.cards('skstruct.policies')\n"
        "assert len(cards) > 5\n"
        "for name in set(sys.modules) - before:\n"
        "    if name.partition('.')[0] not in sys.stdlib_module_names: print(name)"
    )
    assert new == []


def test_import_changes_nothing_global():
    run(
        "import os, threading, warnings, random\n"
        "state = lambda: (dict(os.environ), list(warnings.filters), threading.active_count(), "
        "random.getstate(), os.getcwd())\n"
        "before = state(); import skstruct; skstruct.all_estimators(); assert state() == before"
    )


@pytest.mark.parametrize("name", [*FAMILIES, "skstruct.registry", "skstruct.testing"])
def test_each_module_is_imported_first_without_a_cycle(name):
    assert run(f"import sys, {name}; print('{name}' in sys.modules)") == ["True"]


@pytest.mark.parametrize("name", FAMILIES)
def test_no_family_imports_another(name):
    loaded = set(run(f"import sys, {name}; print(*(m for m in sys.modules if 'skstruct.' in m))"))
    families = {".".join(module.split(".")[:2]) for module in loaded}
    assert families <= {name, "skstruct.registry", "skstruct._validation", "skstruct._lib"}
