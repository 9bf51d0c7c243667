"""`python -m api.cli` is `pincite`."""

from api.cli.main import run

run()
