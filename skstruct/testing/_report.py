"""A check, and the report of many: all failures at once, each with what was expected."""

import inspect
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from unittest import SkipTest


@dataclass(frozen=True)
class Check:
    """One check of one object.

    Attributes
    ----------
    subject : str
        What is checked.
    name : str
        The name of the check.
    function : callable
        Called with `argument`; raises if the check fails, :class:`unittest.SkipTest` if it cannot
        run. Its docstring says what is expected.
    argument : object
        The object that is checked.
    quiet : bool, default=True
        Whether to silence warnings.
    """

    subject: str
    name: str
    function: Callable
    argument: object
    quiet: bool = True

    def __str__(self):
        return f"{self.subject}-{self.name}"

    def run(self):
        """Raise if the check fails."""
        with warnings.catch_warnings():
            if self.quiet:
                warnings.simplefilter("ignore")
            self.function(self.argument)

    @property
    def expectation(self):
        """What is expected, in a sentence."""
        documented = inspect.unwrap(getattr(self.function, "func", self.function))
        doc = inspect.getdoc(documented)
        return " ".join(doc.split("\n\n")[0].split()) if doc else f"{self.name} passes."


@dataclass(frozen=True)
class Failure:
    """A check that failed: which, what was expected, what was raised, and its traceback."""

    subject: str
    check: str
    expectation: str
    error: str
    traceback: str

    def __str__(self):
        error = self.error.strip().replace("\n", "\n    ")
        return f"{self.subject}: {self.check}\n    expected: {self.expectation}\n    {error}"


@dataclass
class Report:
    """The outcome of a run of checks.

    Attributes
    ----------
    subject : str
        What was checked.
    passed : int
        The number of checks that passed.
    failures : list of Failure
        Those that failed.
    skipped : list of (str, str)
        Those that could not run, and why.
    """

    subject: str
    passed: int = 0
    failures: list[Failure] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def run(self, checks):
        """Run checks, whatever becomes of each, and return the report."""
        for check in checks:
            try:
                check.run()
            except SkipTest as reason:
                self.skipped.append((str(check), str(reason)))
            except Exception as error:
                message = f"{type(error).__name__}: {error}"
                self.failures.append(
                    Failure(
                        check.subject,
                        check.name,
                        check.expectation,
                        message,
                        traceback.format_exc(),
                    )
                )
            else:
                self.passed += 1
        return self

    def __str__(self):
        head = (
            f"{self.subject}: {self.passed} checks passed, {len(self.failures)} failed, "
            f"{len(self.skipped)} skipped"
        )
        failed = [f"FAILED {failure}" for failure in self.failures]
        skipped = [f"SKIPPED {name}: {reason}" for name, reason in self.skipped]
        return "\n".join([head, *failed, *skipped])

    def raise_for_failures(self):
        """Raise one AssertionError that tells all failures, if there are any."""
        if self.failures:
            raise AssertionError(str(self))
