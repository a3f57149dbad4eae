"""The command line.  Imports the standard library alone, so that --help is instant."""

import argparse
import re

from skstruct.cli._errors import did_you_mean

DEFAULT_SEARCH = "RisingBanditSearchCV"
ROLES = ("numeric", "categorical", "date", "drop")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        """One line instead of argparse's usage block."""
        unknown = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if unknown:
            message += did_you_mean(unknown[1], re.findall(r"[\w-]+", unknown[2]))
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _duration(text):
    """'90', '90s', '10m', '1h30m' in seconds."""
    if not re.fullmatch(r"(\d+(\.\d+)?[smhd]?)+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 90, 10m or 1h30m")
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive duration")
    return seconds


def _integer(low):
    def parse(text):
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < low:
            raise argparse.ArgumentTypeError(f"{text!r} is not an integer of at least {low}")
        return value

    return parse


def _jobs(text):
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of jobs (-1: all cores)")
    return value


def _share(text):
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share between 0 and 1")
    return value


def _names(text):
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("no name is given")
    return names


def _typed_column(text):
    name, _, role = text.rpartition("=")
    if not name or role not in ROLES:
        raise argparse.ArgumentTypeError(f"{text!r} is not COLUMN={'|'.join(ROLES)}")
    return name, role


def _setting(text):
    key, separator, value = text.partition("=")
    if not (key and separator):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def make_parser():
    """Build the parser of the command and its subcommands."""
    from skstruct import __version__

    parser = _Parser(
        prog="skstruct",
        description="Estimators for structured data, and a bandit search over whole pipelines.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"skstruct {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, module, summary, **options):
        sub = commands.add_parser(
            name, help=summary, description=summary, allow_abbrev=False, **options
        )
        sub.set_defaults(module=module)
        return sub

    _add_tune(command("tune", "_tune", "Search the best pipeline for a table."))
    _add_predict(command("predict", "_predict", "Predict a table with a finished run."))
    _add_list(command("list", "_list", "List estimators, policies and samplers."))
    info = command("info", "_info", "Show an estimator's parameters and search space.")
    info.add_argument("name", metavar="NAME", help="a name that `skstruct list` shows")
    check = command("check-plugin", "_check_plugin", "Check all that a distribution registers.")
    check.add_argument("distribution", metavar="DIST", help="name of an installed distribution")
    command("doctor", "_doctor", "Show versions, kernels, plug-ins and threads.")
    return parser


def _add_tune(parser):
    add = parser.add_argument
    add("data", metavar="DATA", help="CSV or Parquet file, or breast_cancer, digits, ...")
    add("--target", metavar="COLUMN", help="column to predict (known for shipped data sets)")
    add("--task", choices=("classification", "regression"), help="default: guessed")
    add("--out", metavar="RUN", help="run directory (default: DATA's name + '-run')")

    budget = parser.add_argument_group("budget").add_argument
    budget("--trials", type=_integer(1), metavar="N", help="trials in all (default: 60)")
    budget("--time", type=_duration, metavar="T", help="no new trial after 600, 10m or 1h")
    budget("--trial-timeout", type=_duration, metavar="T", help="kill a trial that takes longer")

    search = parser.add_argument_group("search").add_argument
    search("--arms", type=_names, metavar="A,B", help="estimators to choose from")
    search("--scoring", metavar="NAME", help="scikit-learn scorer (default: accuracy or r2)")
    search("--cv", type=_integer(2), default=5, metavar="K", help="folds (default: 5)")
    search("--test-size", type=_share, default=0.2, metavar="P", help="held out (default: 0.2)")
    search("--search", default=DEFAULT_SEARCH, metavar="NAME", help=f"default: {DEFAULT_SEARCH}")
    search(
        "--set",
        type=_setting,
        action="append",
        default=[],
        dest="settings",
        metavar="KEY=VALUE",
        help="a parameter of the search, its value in JSON or plain text",
    )
    search("--policy", metavar="NAME", help="bandit policy (default: rising)")
    search("--sampler", metavar="NAME", help="per-arm sampler (default: gp)")
    search("--seed", type=_integer(0), default=0, metavar="N", help="random seed (default: 0)")

    columns = parser.add_argument_group("columns").add_argument
    columns(
        "--type",
        type=_typed_column,
        action="append",
        default=[],
        dest="types",
        metavar="COL=ROLE",
        help=f"override a guess; ROLE is {', '.join(ROLES)}",
    )
    columns("--drop", action="append", default=[], metavar="COL", help="leave a column out")

    where = parser.add_argument_group("where it runs").add_argument
    where("--jobs", type=_jobs, metavar="N", help="trials at once (default: 1; -1: all cores)")
    where("--dask", metavar="WHERE", help="tcp://host:port, or local:N for N processes")


def _add_predict(parser):
    parser.add_argument("run_dir", metavar="RUN", help="directory written by `skstruct tune`")
    parser.add_argument("data", metavar="DATA", help="CSV or Parquet file, or a shipped data set")
    parser.add_argument("--out", metavar="FILE", help="CSV to write (default: standard output)")


def _add_list(parser):
    parser.add_argument("--kind", help="classifier, regressor, clusterer, transformer, ...")
    parser.add_argument("--family", help="density, model_selection, ...")
