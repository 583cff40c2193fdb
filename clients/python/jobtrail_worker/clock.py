"""Clocks: one for times that people read, one for leases, and back-off between tries."""

from __future__ import annotations

import random
import time

#: Goes on while the machine is suspended: a lease runs out meanwhile.
_LEASE_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def lease_clock() -> float:
    """Milliseconds on a monotonic clock, the same in every process of the machine."""
    return time.clock_gettime(_LEASE_CLOCK) * 1000


class ForwardClock:
    """Wall-clock time that never goes back within one attempt."""

    def __init__(self) -> None:
        self._last = 0

    def now(self) -> int:
        self._last = max(self._last, now_ms())
        return self._last


class Backoff:
    """Exponential back-off with full jitter, in seconds."""

    def __init__(self, least: float, most: float) -> None:
        self._least, self._most, self._failures = least, most, 0

    def next(self) -> float:
        self._failures = min(self._failures + 1, 30)
        ceiling = min(self._most, self._least * 2**self._failures)
        return random.uniform(self._least, max(self._least, ceiling))

    def reset(self) -> None:
        self._failures = 0
