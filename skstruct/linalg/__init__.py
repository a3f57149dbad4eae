"""Solve sparse linear systems by relaxation, one parameter of which is worth learning."""

from skstruct.linalg._sor import sor
from skstruct.linalg._ssor_cg import ssor_cg

__all__ = ["sor", "ssor_cg"]
