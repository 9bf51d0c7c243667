"""An evaluation as it is kept: asked for, begun, ended."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["queued", "running", "done", "failed", "cancelled"]
ENDED: tuple[Status, ...] = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Job:
    """One evaluation and how far it is.

    `done` of `total` steps are behind it: each question, and some that are asked again for their latency. `created` is
    Unix seconds; `key_id` tells who asked for it, None where no keys are asked for; `error` says why it failed.
    """

    job_id: str
    key_id: str | None
    created: int
    status: Status
    done: int
    total: int
    error: str | None = None
