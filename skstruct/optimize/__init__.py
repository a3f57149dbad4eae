"""Minimise functions without gradients: on a box, and on a discrete space."""

from skstruct.optimize._cbo import minimize_cbo
from skstruct.optimize._ea import minimize_ea

__all__ = ["minimize_cbo", "minimize_ea"]
