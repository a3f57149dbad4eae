"""The command ``skstruct``; each subcommand is a module ``_<name>`` with ``run(args)``."""

import importlib
import os
import sys

__all__ = ["main"]


def main(argv=None):
    """Run the command; its exit status is 0 done, 1 failed, 2 bad input, 130 Ctrl-C."""
    from skstruct.cli._errors import UserError
    from skstruct.cli._parser import make_parser

    argv = sys.argv[1:] if argv is None else list(argv)
    args = make_parser().parse_args(argv)
    # OpenMP threads that wait by spinning make a fit ten times slower on a machine that others use
    # too.  The runtime reads this when scikit-learn loads it, below and in worker processes.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    args.argv = argv
    status = int(args.command == "tune")  # if the reader of our output leaves in the midst of it
    try:
        command = importlib.import_module(f"skstruct.cli.{args.module}")
        status = command.run(args)
        sys.stdout.flush()
        return status
    except UserError as error:
        print(f"skstruct {args.command}: error: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print(f"skstruct {args.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output, `head` say, has had enough; nothing is left to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return status
