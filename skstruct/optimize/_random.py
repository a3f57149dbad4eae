"""One kind of random numbers for whatever `random_state` may be."""

import numpy as np


def as_generator(random_state):
    """Return a numpy Generator for an int, a RandomState, a Generator or None.

    Of numpy's bit generators SFC64 is the fastest, a fifth less for a normal number.
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**31)
    return np.random.Generator(np.random.SFC64(random_state))
