"""One kind of random numbers for whatever `random_state` may be."""

import numpy as np


def as_generator(random_state):
    """Return a numpy Generator for an int, a RandomState, a Generator or None."""
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**31)
    return np.random.default_rng(random_state)
