"""Find every ``.pyx`` of the package, set directives and flags; metadata is in pyproject.toml."""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "freethreading_compatible": True,
}
# Portable by default: what gains from wide vectors is cloned per instruction set in _lib/simd.h.
# Without errno, which nobody reads, a square root is one vector instruction; no result changes.
FLAGS = ["/O2"] if sys.platform == "win32" else ["-O3", "-fopenmp-simd", "-fno-math-errno"]

extensions = [
    Extension(
        ".".join(path.with_suffix("").parts),
        [str(path)],
        include_dirs=["skstruct/_lib"],
        extra_compile_args=FLAGS,
        depends=[str(header) for header in Path("skstruct/_lib").glob("*.h")],
    )
    for path in sorted(Path("skstruct").rglob("*.pyx"))
]

setup(
    ext_modules=cythonize(
        extensions, compiler_directives=DIRECTIVES, build_dir="build/cython", language_level=3
    ),
    options={"build_ext": {"parallel": os.cpu_count()}},
)
