"""The conformance suite: for skstruct's own tests, and for those of plug-ins; needs no pytest."""

from skstruct.testing._estimator import estimator_checks
from skstruct.testing._plugin import check_estimator, check_plugin, plugin_checks
from skstruct.testing._policy import policy_checks
from skstruct.testing._report import Check, Failure, Report
from skstruct.testing._sampler import sampler_checks

__all__ = [
    "Check",
    "Failure",
    "Report",
    "check_estimator",
    "check_plugin",
    "estimator_checks",
    "plugin_checks",
    "policy_checks",
    "sampler_checks",
]
