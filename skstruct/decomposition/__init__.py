"""Dictionaries: atoms, a few of which make up a sample, and codes that say which and how much."""

from skstruct.decomposition._batch_sparse_coder import BatchSparseCoder
from skstruct.decomposition._batch_sparse_encode import batch_sparse_encode
from skstruct.decomposition._k_sparse_autoencoder import KSparseAutoencoder
from skstruct.decomposition._mini_batch_sparse_dictionary import MiniBatchSparseDictionary
from skstruct.decomposition._online_orthogonal_dictionary_learning import (
    OnlineOrthogonalDictionaryLearning,
)
from skstruct.decomposition._wasserstein_cp_dictionary_learning import (
    WassersteinCPDictionaryLearning,
)

__all__ = [
    "BatchSparseCoder",
    "KSparseAutoencoder",
    "MiniBatchSparseDictionary",
    "OnlineOrthogonalDictionaryLearning",
    "WassersteinCPDictionaryLearning",
    "batch_sparse_encode",
]
