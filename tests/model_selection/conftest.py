"""Let worker processes import the estimators that the tests use."""

import os
import sys

HERE = os.path.dirname(__file__)
sys.path.insert(0, HERE)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [HERE, os.environ.get("PYTHONPATH")]))
