"""How much is taken in at once, and from whom."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the service takes before it refuses; the settings of the same names say more."""

    rate_per_minute: int = 600  # requests of one key; 0 is no bound
    concurrency: int = 4  # requests that use the models at once
    queue: int = 64  # requests that wait for that
    deadline_seconds: float = 30.0  # for a body to arrive, and again for a request to wait
    upload_bytes: int = 32 * 2**20


DEFAULT_BOUNDS = Bounds()
