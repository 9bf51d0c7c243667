"""What `pincite` and `python -m api.cli` run."""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # Ctrl-C while we import needs no traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from api.cli.main import run

if __name__ == "__main__":
    run()
