"""Search for the best pipeline and its hyper-parameters."""

from skstruct.model_selection._cash_space import cash_space
from skstruct.model_selection._consensus_search import ConsensusSearchCV
from skstruct.model_selection._constrained import ConstrainedSearchCV, InfeasibleSearchWarning
from skstruct.model_selection._core import Proposal, TrialResult, ask_tell
from skstruct.model_selection._forest import max_sum_forest, sample_random_forest
from skstruct.model_selection._multi_fidelity import MultiFidelitySearchCV
from skstruct.model_selection._policies import (
    UCB1,
    ArmPolicy,
    MaxUCB,
    RisingBandit,
    RoundRobin,
    SuccessiveHalving,
)
from skstruct.model_selection._random_decomposition import RandomDecompositionSearchCV
from skstruct.model_selection._reusable_holdout import ReusableHoldout
from skstruct.model_selection._reusable_holdout_selector import ReusableHoldoutSelector
from skstruct.model_selection._rising_bandit import RisingBanditSearchCV
from skstruct.model_selection._sampler import Sampler
from skstruct.model_selection._sampler_constrained import ConstrainedSampler
from skstruct.model_selection._sampler_gp import GPSampler
from skstruct.model_selection._sampler_multi_fidelity import MultiFidelitySampler
from skstruct.model_selection._sampler_random import RandomSampler
from skstruct.model_selection._sampler_random_decomposition import RandomDecompositionSampler
from skstruct.model_selection._store import read_journal
from skstruct.model_selection._threshold_search import ThresholdSearchCV
from skstruct.model_selection._thresholdout import Thresholdout
from skstruct.model_selection._unimodal_bandit_search import UnimodalBanditSearchCV

__all__ = [
    "UCB1",
    "ArmPolicy",
    "ConsensusSearchCV",
    "ConstrainedSampler",
    "ConstrainedSearchCV",
    "GPSampler",
    "InfeasibleSearchWarning",
    "MaxUCB",
    "MultiFidelitySampler",
    "MultiFidelitySearchCV",
    "Proposal",
    "RandomDecompositionSampler",
    "RandomDecompositionSearchCV",
    "RandomSampler",
    "ReusableHoldout",
    "ReusableHoldoutSelector",
    "RisingBandit",
    "RisingBanditSearchCV",
    "RoundRobin",
    "Sampler",
    "SuccessiveHalving",
    "ThresholdSearchCV",
    "Thresholdout",
    "TrialResult",
    "UnimodalBanditSearchCV",
    "ask_tell",
    "cash_space",
    "max_sum_forest",
    "read_journal",
    "sample_random_forest",
]
