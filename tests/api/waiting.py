"""Waiting for what another thread or process does."""

import time


def wait_for(what, seconds=30):
    """Call `what` until it gives something true; return that."""
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)
    return found
