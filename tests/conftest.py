"""Settings of every test, made before NumPy or scikit-learn is imported."""

import os

# The tests already run one to a core: threads inside a fit would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
