"""Search for the best pipeline and its hyper-parameters."""

from skstruct.model_selection._core import TrialResult, ask_tell
from skstruct.model_selection._policies import (
    UCB1,
    ArmPolicy,
    MaxUCB,
    RisingBandit,
    RoundRobin,
    SuccessiveHalving,
)
from skstruct.model_selection._sampler import Sampler
from skstruct.model_selection._sampler_gp import GPSampler
from skstruct.model_selection._sampler_random import RandomSampler

__all__ = [
    "UCB1",
    "ArmPolicy",
    "GPSampler",
    "MaxUCB",
    "RandomSampler",
    "RisingBandit",
    "RoundRobin",
    "Sampler",
    "SuccessiveHalving",
    "TrialResult",
    "ask_tell",
]
