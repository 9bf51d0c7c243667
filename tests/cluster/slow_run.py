"""A run of its own that indexes slowly, to be killed: `slow_run.py FILES STORE`."""

import sys
import time
from pathlib import Path

from fakes import WordEncoder
from samples import on_cluster

from api.cluster.connection import connected


class Slow(WordEncoder):
    def encode_passages(self, texts):
        time.sleep(0.02 * len(texts))
        return super().encode_passages(texts)


if __name__ == "__main__":
    with connected("local"):
        on_cluster(Path(sys.argv[1]), Path(sys.argv[2]), encoder=Slow)
