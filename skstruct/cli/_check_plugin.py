"""``skstruct check-plugin DIST``: the conformance suite on all that a distribution registers."""

from skstruct.cli._errors import UserError
from skstruct.testing import check_plugin


def run(args):
    """Print the report; status 1 if a check failed."""
    try:
        report = check_plugin(args.distribution)
    except ValueError as error:
        raise UserError(str(error)) from error
    print(report)
    return 1 if report.failures else 0
