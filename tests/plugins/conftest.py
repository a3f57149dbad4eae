# The distributions here are built, installed and run by the tests, and imported by nothing else.
collect_ignore_glob = ["acme_*"]
