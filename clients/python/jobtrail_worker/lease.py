"""The worker's right to run what it runs."""

from __future__ import annotations

from .clock import lease_clock
from .keys import AttemptKey


class Lease:
    """Counts from when the last answered message was sent: servers cannot have begun to count earlier."""

    def __init__(self) -> None:
        self._renewed_at: float | None = None
        self.lease_ms = 10_000.0

    def renew(self, sent_at: float, lease_ms: float | None = None) -> None:
        """Answers may arrive out of order."""
        if self._renewed_at is None or sent_at >= self._renewed_at:
            self._renewed_at = sent_at
            self.lease_ms = lease_ms or self.lease_ms

    @property
    def _margin(self) -> float:
        return min(max(self.lease_ms / 10, 500), self.lease_ms / 2)

    @property
    def deadline(self) -> float | None:
        """When the worker itself kills."""
        return None if self._renewed_at is None else self._renewed_at + self.lease_ms - self._margin

    @property
    def guard_deadline(self) -> float | None:
        """When the guard kills: a little later, so that it acts only for a worker that cannot."""
        return None if self._renewed_at is None else self._renewed_at + self.lease_ms - self._margin / 2

    @property
    def is_expired(self) -> bool:
        return self.deadline is not None and lease_clock() >= self.deadline


class GivenUp:
    """Attempts that this process took and whose end it will never report; sent until a message with them is answered."""

    _MOST = 20_000

    def __init__(self) -> None:
        self._since: dict[AttemptKey, float] = {}

    def add(self, key: AttemptKey) -> None:
        self._since[key] = lease_clock()
        if len(self._since) > self._MOST:
            del self._since[next(iter(self._since))]

    @property
    def keys(self) -> list[AttemptKey]:
        return list(self._since)

    def answered(self, sent_at: float) -> None:
        self._since = {key: since for key, since in self._since.items() if since >= sent_at}
