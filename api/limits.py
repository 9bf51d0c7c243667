"""How often one caller may ask: the only import of `limits`."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter


class RateLimit:
    """At most `per_minute` requests in any minute from each caller, counted in this process alone. Thread-safe."""

    def __init__(self, per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(per_minute)
        self._window = MovingWindowRateLimiter(MemoryStorage())

    def seconds_to_wait(self, caller: str) -> int:
        """Count a request and return 0, or return after how many seconds it could be counted (at least 1)."""
        if self._window.hit(self._limit, caller):
            return 0
        reset = self._window.get_window_stats(self._limit, caller).reset_time
        return max(1, math.ceil(reset - time.time()))
