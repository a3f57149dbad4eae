"""``skstruct info NAME``: what an estimator is, its parameters and what a search would try."""

import inspect
import warnings

from skstruct import registry
from skstruct.cli import _text
from skstruct.cli._errors import UserError, one_line


def run(args):
    """Print the story of one registered estimator."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # the error says the same
            cls = registry.get_estimator(args.name)
    except (ValueError, ImportError) as error:
        raise UserError(one_line(error)) from error
    card = next(c for c in registry.all_estimators() if c.name == args.name)
    print(f"{card.name}: {card.kind or 'estimator'} of {card.distribution} {card.version}")
    print(f"from {card.value.replace(':', ' import ')}")
    summary = (inspect.getdoc(cls) or "").partition("\n\n")[0]
    print(f"\n{summary}")
    _print_parameters(cls)
    _print_space(cls)
    return 0


def _print_parameters(cls):
    parameters = [p for p in inspect.signature(cls).parameters.values() if p.name != "self"]
    if parameters:
        empty = inspect.Parameter.empty
        rows = [
            (p.name, "required" if p.default is empty else repr(p.default)) for p in parameters
        ]
        print(f"\nparameters\n{_text.columns(rows)}")


def _print_space(cls):
    try:
        space = registry.search_space(cls)
    except (ValueError, ImportError):
        print("\nsearch space: none declared")
        return
    rows = [(name, _describe(values)) for name, values in space.items()]
    print(f"\nsearch space\n{_text.columns(rows)}")


def _describe(values):
    """'loguniform(0.001, 1000)' for a frozen distribution, else its text."""
    if not hasattr(values, "dist"):
        return repr(values)
    arguments = [*map(_text.number, values.args)]
    arguments += [f"{key}={_text.number(value)}" for key, value in values.kwds.items()]
    return f"{values.dist.name}({', '.join(arguments)})"
