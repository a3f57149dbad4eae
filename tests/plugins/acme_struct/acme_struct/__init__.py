"""A plug-in of skstruct."""

from acme_struct._discriminant import DiagonalDiscriminant
from acme_struct._policy import GreedyBandit
from acme_struct._sampler import HaltonSampler
from acme_struct._spaces import perceptron

__all__ = ["DiagonalDiscriminant", "GreedyBandit", "HaltonSampler", "perceptron"]
