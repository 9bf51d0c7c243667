"""A run's state on disk: written whole or not at all, so that a killed run goes on where it was."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from index.errors import UsageError


@dataclass(slots=True)
class Progress:
    """How far a run is. `recipe` is the hash of all that decides the weights: a checkpoint of another is refused."""

    recipe: str
    batch: int = 0  # batches done
    tokens: int = 0  # tokens done, padding counted
    seconds: float = 0.0  # spent in training, over all starts


def save(path: Path, progress: Progress, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Write the state of a run to `path`, replacing the last."""
    state = {
        "progress": [progress.recipe, progress.batch, progress.tokens, progress.seconds],
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": torch.get_rng_state(),
    }
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def load(path: Path, recipe: str, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Restore the state of a run. Raises UsageError if it is of another recipe or cannot be read."""
    try:
        # weights_only: a checkpoint is data, and must not run code when loaded.
        state: dict[str, Any] = torch.load(path, weights_only=True)
        progress = Progress(*state["progress"])
    except Exception as error:  # torch raises many kinds for a damaged file
        raise UsageError(f"{path}: no checkpoint that can be read ({error!r}); remove it to start anew") from None
    if progress.recipe != recipe:
        raise UsageError(f"{path}: made with other data or settings; use the same, or remove it to start anew")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"])
    return progress
