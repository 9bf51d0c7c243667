"""How documents are cut, as a store records it. Apart from `chunk`, so that answering does not import what cuts."""

from dataclasses import dataclass

# Raise it when marks, metadata or passages of the same file come out otherwise: a store keeps to one number.
RULES = 3


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """How long passages may be, in the embedder's tokens.

    `window`: the most that context, line break and text have together. `target`: what a passage's text aims at.
    """

    window: int
    target: int = 160
    overlap_sentences: int = 1

    def __post_init__(self) -> None:
        if self.window < 3 or self.target < 1 or self.overlap_sentences < 0:
            raise ValueError(f"need window >= 3, target >= 1, overlap_sentences >= 0, got {self}")
