"""What a search says while it runs, through the logger ``"skstruct"``."""

import contextlib
import logging

logger = logging.getLogger("skstruct")


def log_trial(trial, is_best, arm_name, verbose):
    """Log a finished trial: each new best from level 1 of `verbose`, all from 2."""
    if verbose < (1 if is_best else 2):
        return
    result = trial.result
    score = f"{result['score']:.6g}" if trial.state == "COMPLETE" else trial.state
    reason = "" if trial.error is None else f": {trial.error.strip().splitlines()[-1]}"
    logger.info(
        "trial %d: %s%s in %.3g s, %s %s%s",
        trial.number,
        score,
        " (best)" if is_best else "",
        result["cost"],
        arm_name,
        trial.params,
        reason,
    )


@contextlib.contextmanager
def audible(verbose):
    """Let the lines of the search through, to stderr if nobody else has set up logging."""
    if not verbose:
        yield
        return
    kept = logger.level
    handler = None if logger.hasHandlers() else logging.StreamHandler()
    if handler is not None:
        logger.addHandler(handler)
    if logger.getEffectiveLevel() > logging.INFO:
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(kept)
        if handler is not None:
            logger.removeHandler(handler)
