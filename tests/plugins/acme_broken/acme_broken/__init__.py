"""A plug-in whose dependency is not installed."""

import acme_missing_dependency  # noqa: F401
