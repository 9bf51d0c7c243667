"""Which of many texts are nearly the same, told without comparing each with each: the only import of `datasketch`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from index.near import NEAR, runs
from index.types import Document

if TYPE_CHECKING:  # slow to import, for it loads SciPy; a service and most runs of indexing sketch nothing
    from datasketch import MinHash

_PERMUTATIONS = 128  # of a sketch: likeness is estimated to some 4 points


@dataclass(frozen=True, slots=True)
class Copy:
    """The document that another one is nearly the same as, and how nearly: 0 to 1, to two decimals."""

    source: str
    likeness: float


class Sketches:
    """Sketches of documents, of one size whatever their length, from which likeness is estimated."""

    def __init__(self) -> None:
        self._made: dict[str, MinHash] = {}

    def add(self, document: Document) -> None:
        """Take a document in; very short ones are passed over."""
        if found := runs(document):
            from datasketch import MinHash

            made = MinHash(num_perm=_PERMUTATIONS)  # seeded: the same text gives the same sketch
            made.update_batch([run.encode() for run in sorted(found)])
            self._made[document.source] = made

    def copies(self) -> dict[str, Copy]:
        """Return, for each source whose text is nearly that of one taken in before, the one that it is likest.

        A copy of a copy is a copy of the first. Estimated, and the same at every call.
        """
        if not self._made:
            return {}
        from datasketch import MinHashLSH

        index = MinHashLSH(threshold=NEAR, num_perm=_PERMUTATIONS)
        found: dict[str, Copy] = {}
        for source, made in self._made.items():
            alike = [Copy(str(other), round(made.jaccard(self._made[str(other)]), 2)) for other in index.query(made)]
            alike = [copy for copy in alike if copy.likeness >= NEAR]
            if alike:
                found[source] = min(alike, key=lambda copy: (-copy.likeness, copy.source))
            else:
                index.insert(source, made)  # copies are not: so all of them lead to the first
        return found
