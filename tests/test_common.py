"""The conformance suite on all that skstruct registers, each check a test of its own."""

import os
import subprocess
import sys

import pytest

from skstruct.testing import plugin_checks

CHECKS = plugin_checks("skstruct")


@pytest.mark.parametrize("check", [c for c in CHECKS if "array_api" not in c.name], ids=str)
def test_conformance(check):
    check.run()


def test_array_api():
    # These checks need an environment variable that must be set before scipy is imported.
    code = (
        "from skstruct.testing import Report, plugin_checks\n"
        "checks = [c for c in plugin_checks('skstruct') if 'array_api' in c.name]\n"
        "report = Report('array API').run(checks)\n"
        "report.raise_for_failures()\n"
        "print(report.passed)\n"
        "assert not any('SCIPY_ARRAY_API' in reason for _, reason in report.skipped), report"
    )
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
