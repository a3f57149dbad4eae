"""What an import costs and changes, by what is imported: a clock would depend on the machine."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import skstruct

ROOT = Path(skstruct.__file__).parent
FAMILIES = sorted(
    f"skstruct.{path.parent.name}"
    for path in ROOT.glob("[a-z]*/__init__.py")
    if path.parent.name not in ("cli", "testing")
)
IMPORT = re.compile(r"^ *(?:from|import) (skstruct\.[\w.]+)", re.MULTILINE)


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


@pytest.mark.parametrize(
    "name", [*FAMILIES, "skstruct.registry", "skstruct.search_spaces", "skstruct.testing"]
)
def test_each_module_is_imported_first_without_a_cycle(name):
    assert run(f"import sys, {name}; print('{name}' in sys.modules)") == ["True"]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_imports_no_private_module_of_another(name):
    below = {name, "skstruct.registry", "skstruct._validation", "skstruct._lib"}
    for path in (ROOT / name.removeprefix("skstruct.")).glob("*.py*"):
        for module in IMPORT.findall(path.read_text()) if path.suffix in (".py", ".pyx") else ():
            family = ".".join(module.split(".")[:2])
            assert family in below or module == family, f"{path.name} imports {module}"
