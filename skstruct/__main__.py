"""``python -m skstruct`` is the command ``skstruct``."""

import sys

from skstruct.cli import main

if __name__ == "__main__":
    sys.exit(main())
