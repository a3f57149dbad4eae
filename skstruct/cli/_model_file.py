"""The fitted pipeline on disk, in skops format.

A skops file names the type of every object in it.  Before anything is built those names are
compared with a fixed list: what skops itself trusts (scikit-learn's public estimators, NumPy and
SciPy data), the inner parts of estimators that are named below, and classes that an installed
distribution registers as estimators.  Any other name is refused, so that opening a file runs no
code from it.  Only names are checked, as skops documents: crafted numbers inside a trusted type
may still make a prediction wrong or crash it.
"""

import zipfile

import skops.io
from sklearn.pipeline import Pipeline

from skstruct import registry
from skstruct.cli._errors import UserError, one_line

PARTS = frozenset(
    {
        "numpy.dtype",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        *(
            f"sklearn.gaussian_process.kernels.{name}"
            for name in (
                *("CompoundKernel", "ConstantKernel", "DotProduct", "ExpSineSquared"),
                *("Exponentiation", "Matern", "PairwiseKernel", "Product", "RBF"),
                *("RationalQuadratic", "Sum", "WhiteKernel"),
            )
        ),
        *(
            f"sklearn.metrics._dist_metrics.{name}Distance64"
            for name in ("Chebyshev", "Euclidean", "Manhattan", "Minkowski")
        ),
        "sklearn.model_selection._split.KFold",
        "sklearn.model_selection._split.StratifiedKFold",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "skstruct.cli._preprocess.DateFeatures",
        "skstruct.density._mixture_state.MixtureState",
        "skstruct.density._mixture_state.WarmUp",
    }
)


def dump_model(model):
    """The bytes of a model file, and the types in it that `load_model` will refuse."""
    data = skops.io.dumps(model, compression=zipfile.ZIP_DEFLATED)
    return data, _refused(_named_types(data))


def load_model(path):
    """Build the pipeline in the file ``path``, or refuse it."""
    try:
        data = path.read_bytes()
        named = _named_types(data)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise UserError(f"{str(path)!r} is not a model file: {one_line(error)}") from error
    refused = _refused(named)
    if refused:
        raise UserError(
            f"{str(path)!r} holds {', '.join(refused)}, which is neither part of scikit-learn nor "
            "a registered estimator; nothing of it was opened"
        )
    try:
        model = skops.io.loads(data, trusted=named)
    except Exception as error:  # whatever a damaged file makes a constructor say
        raise UserError(f"{str(path)!r} is damaged: {one_line(error)}") from error
    if not isinstance(model, Pipeline):
        raise UserError(f"{str(path)!r} holds a {type(model).__name__}, not a pipeline")
    return model


def _named_types(data):
    """Types in the file that skops does not trust by itself; builds none of them."""
    return skops.io.get_untrusted_types(data=data)


def _refused(names):
    return [name for name in names if name not in PARTS and not _is_registered(name)]


def _is_registered(name):
    """Whether ``name`` is the class of an estimator that an installed distribution registers."""
    for card in registry.all_estimators():
        if card.name == name.rpartition(".")[2]:
            try:
                loaded = card.load()
            except ImportError:
                continue
            if name == f"{loaded.__module__}.{loaded.__qualname__}":
                return True
    return False
