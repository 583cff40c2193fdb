"""What handlers print goes to the log of their attempt."""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

Write = Callable[[int, bytes], None]

_current: contextvars.ContextVar[Write | None] = contextvars.ContextVar("jobtrail_write", default=None)


class _Routed:
    """Stands in for sys.stdout or sys.stderr, and sends what a handler prints to its log."""

    def __init__(self, original: TextIO, side: int) -> None:
        self._original, self._side = original, side

    def write(self, text: str) -> int:
        write = _current.get()
        if write is None:
            return self._original.write(text)
        write(self._side, text.encode("utf-8", "replace"))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


def install() -> None:
    """Once for the process."""
    if not isinstance(sys.stdout, _Routed):
        sys.stdout = _Routed(sys.stdout, 0)
        sys.stderr = _Routed(sys.stderr, 1)


@contextmanager
def printing_to(write: Write) -> Iterator[None]:
    token = _current.set(write)
    try:
        yield
    finally:
        _current.reset(token)
