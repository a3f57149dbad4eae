"""``skstruct list``: everything that is registered, without importing any of it."""

from skstruct import registry
from skstruct.cli import _text
from skstruct.cli._errors import UserError


def run(args):
    """Print estimators, then, unless a filter was given, policies and samplers."""
    try:
        cards = registry.all_estimators(kind=args.kind, family=args.family)
    except ValueError as error:
        raise UserError(str(error)) from error
    rows = [(c.name, c.kind or "-", c.family, f"{c.distribution} {c.version}") for c in cards]
    print(_text.columns([("ESTIMATOR", "KIND", "FAMILY", "FROM"), *rows], indent=""))
    if args.kind or args.family:
        return 0
    for title, group in (("POLICY", "skstruct.policies"), ("SAMPLER", "skstruct.samplers")):
        rows = [(c.name, f"{c.distribution} {c.version}") for c in registry.cards(group)]
        print()
        print(_text.columns([(title, "FROM"), *rows], indent=""))
    return 0
