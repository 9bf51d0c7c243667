"""What a run will read, batch by batch, decided before it begins: so a killed run can go on, and time is known."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from training.data import Example
from training.mix import Mix, Rates
from training.windows import Cutter, Group, batches, padded


@dataclass(frozen=True, slots=True)
class Plan:
    """Batches in order, with the tokens of all (padding counted) and a hash of every token and target."""

    batches: list[list[Group]]
    tokens: int
    sha256: str


def make_plan(examples: Sequence[Example], rates: Rates, cutter: Cutter, budget: int, seed: int, size: int) -> Plan:
    """Draw passes over the mix until `budget` tokens are planned (one pass if 0), `size` tokens a batch."""
    mix, rng = Mix(examples, rates), Random(seed)
    planned: list[list[Group]] = []
    tokens = 0
    while not planned or tokens < budget:
        drawn = batches(cutter.groups(mix.one_pass(rng)), size, rng)
        if not drawn:
            break
        for batch in drawn:
            if budget and tokens >= budget:
                break
            planned.append(batch)
            tokens += padded(batch)
    return Plan(planned, tokens, _hash(planned))


def _hash(planned: Sequence[Sequence[Group]]) -> str:
    digest = hashlib.sha256()
    for batch in planned:
        for group in batch:
            digest.update(b"group")
            for window in group:
                digest.update(window.ids.tobytes() + f":{window.start}:{window.end};".encode())
    return digest.hexdigest()


def counts(planned: Sequence[Sequence[Group]]) -> dict[str, int]:
    """Return what batches hold, by name, for the model card."""
    found: Counter[str] = Counter(windows=0)
    for group in (group for batch in planned for group in batch):
        found["windows"] += len(group)
        found["windows with an answer"] += sum(window.end > 0 for window in group)
        found["windows that compete with an answered one"] += len(group) - 1
        found["tokens without padding"] += sum(len(window.ids) for window in group)
    return dict(found) | {"batches": len(planned)}
