"""A system to speak the protocol with: it finds the passages that share a word, and answers with the first's text."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.rivals.protocol import DEPTH, Said, read_passages, serve, write_passages


class Echo:
    packages = ("numpy",)
    pid = os.getpid()

    def load(self, embedder, reader):
        print("what a library prints stands between no two replies")  # noqa: T201

    def index(self, job):
        write_passages(job.into / "all.jsonl", job.passages)

    def open(self, folder):
        self.passages = read_passages(folder / "all.jsonl")
        return {"threads": "1"}

    def search(self, question):
        if question == "fail":
            raise RuntimeError("no such thing")
        if question == "die":
            os._exit(7)
        words = set(question.split())
        return [one.id for one in self.passages if words & set(one.embedded.split())][:DEPTH]

    def ask(self, question):
        found = self.search(question)
        texts = [one.text for one in self.passages if one.id in found[:1]]
        return Said(texts[0] if texts else None, texts[0] if texts else self.passages[0].text)


if __name__ == "__main__":
    serve(Echo())
