"""What a user did wrong, told in one line."""

import difflib
import importlib.util

APP_PACKAGES = ("pandas", "matplotlib", "jinja2", "rich", "skops")


class UserError(Exception):
    """Bad input; the message is one sentence with a remedy, shown with an exit status."""

    def __init__(self, message, *, status=2):
        super().__init__(message)
        self.status = status


def require(packages, *, extra, purpose):
    """Refuse with the command that installs what is missing."""
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise UserError(
            f"{purpose} needs {', '.join(missing)}; run: pip install 'skstruct[{extra}]'"
        )


def one_line(error):
    """The text of an exception on a single line."""
    return " ".join(str(error).split()) or type(error).__name__


def did_you_mean(name, known):
    """', did you mean ...?' when something close is known, else an empty string."""
    lowered = {str(item).lower(): str(item) for item in known}
    close = difflib.get_close_matches(str(name).lower(), lowered, n=3)
    return f"; did you mean {' or '.join(repr(lowered[item]) for item in close)}?" if close else ""
