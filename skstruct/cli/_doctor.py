"""``skstruct doctor``: what is installed here and whether it can work."""

import importlib
import importlib.util
import pkgutil
import platform
import sys
import warnings
from importlib import metadata
from importlib.machinery import EXTENSION_SUFFIXES

import joblib
import threadpoolctl

import skstruct
from skstruct import registry
from skstruct.cli import _text

PACKAGES = {
    "core": ("numpy", "scipy", "scikit-learn", "joblib"),
    "app": ("pandas", "pyarrow", "matplotlib", "jinja2", "rich", "skops"),
    "dask": ("dask", "distributed"),
}


def run(args):
    """Print the findings; status 1 if a kernel or a plug-in cannot be imported."""
    print(f"skstruct {skstruct.__version__}, Python {platform.python_version()}, {_machine()}")
    for extra, names in PACKAGES.items():
        _print_versions(extra, names)
    healthy = _print_kernels()
    healthy &= _print_plugins()
    _print_threads()
    print("\nall is well" if healthy else "\nsomething is broken, see above")
    return 0 if healthy else 1


def _machine():
    return f"{platform.system()} {platform.machine()}, {sys.executable}"


def _print_versions(extra, names):
    rows, missing = [], False
    for name in names:
        try:
            rows.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            rows.append((name, "missing"))
            missing = True
    hint = f" (pip install 'skstruct[{extra}]')" if missing and extra != "core" else ""
    print(f"\npackages: {extra}{hint}\n{_text.columns(rows)}")


def _print_kernels():
    """Import every compiled module of skstruct."""
    rows, healthy = [], True
    for name in _extension_modules():
        try:
            importlib.import_module(name)
            rows.append((name, "ok"))
        except ImportError as error:
            rows.append((name, f"broken: {error}"))
            healthy = False
    try:
        from skstruct._lib._simd import simd_level

        level = simd_level()
    except ImportError as error:
        level, healthy = f"unknown ({error})", False
    print(f"\ncompiled kernels, run at level {level!r}")
    print(_text.columns(rows or [("none found",)]))
    return healthy and bool(rows)


def _extension_modules():
    for package in pkgutil.walk_packages(skstruct.__path__, "skstruct.", onerror=lambda _: None):
        spec = importlib.util.find_spec(package.name)
        if spec and spec.origin and spec.origin.endswith(tuple(EXTENSION_SUFFIXES)):
            yield package.name


def _print_plugins():
    """Load everything that is registered; a failure is told with the reason."""
    rows, healthy = [], True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # told below
        for group in registry.GROUPS:
            for card in registry.cards(group):
                try:
                    registry.load(group, card.name)
                    state = "ok"
                except (ImportError, ValueError) as error:
                    state = str(error)
                    healthy = False
                rows.append((group.partition(".")[2], card.name, card.distribution, state))
    ours = [row for row in rows if row[2] == "skstruct"]
    shown = [row for row in rows if row[2] != "skstruct" or row[3] != "ok"]
    print(f"\nplug-ins: {len(ours)} entry points of skstruct, {len(rows) - len(ours)} of others")
    if shown:
        print(_text.columns(shown))
    return healthy


def _print_threads():
    print(f"\nthreads: {joblib.cpu_count()} cores usable")
    rows = [
        (pool["user_api"], pool["internal_api"], pool.get("version") or "-", pool["num_threads"])
        for pool in threadpoolctl.threadpool_info()
    ]
    if rows:
        print(_text.columns(rows))
