"""Learn from pulls alone: bare learners with ask and tell, for anything that gives a number."""

from skstruct.bandits._neural_contextual_bandit import NeuralContextualBandit
from skstruct.bandits._noisy_binary_search import NoisyBinarySearch
from skstruct.bandits._relaxation_bandit import RelaxationBandit
from skstruct.bandits._unimodal_bandit import UnimodalBandit

__all__ = [
    "NeuralContextualBandit",
    "NoisyBinarySearch",
    "RelaxationBandit",
    "UnimodalBandit",
]
