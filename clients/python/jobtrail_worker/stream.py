"""The log of one attempt while it runs: bytes in, frozen chunks in the spool."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from .chunk import MARKER, STDERR, ChunkBuilder, Header, Loss, Totals, add_loss, newline_bytes
from .clock import ForwardClock
from .delivery import Delivery
from .keys import AttemptKey
from .lines import LineSplitter
from .masker import Masker
from .spool import SpooledStream

log = logging.getLogger("jobtrail.stream")

_FIRST_LINE_DELAY = 0.005
_MAX_AGE = 0.1
_READ_BYTES = 65_536
_RETRY_WRITE = 0.5
#: How long an end waits for a disk that refuses its log.
_GIVE_UP_WRITING = 30.0
#: Output beyond this waits for acknowledgements, while they come.
_MAX_UNACKED = 16 * 1024 * 1024


class StreamLog:
    """Takes the output of the process, waits when the spool is full, and closes chunks by size and age."""

    def __init__(
        self, key: AttemptKey, limits: dict[str, Any], forms: list[bytes], clock: ForwardClock, delivery: Delivery, on_fault: Callable[[OSError | None], None]
    ) -> None:
        self._key, self._clock, self._delivery, self._on_fault = key, clock, delivery, on_fault
        self._max_lines: int = limits.get("maxLines", 0)
        self._max_bytes: int = limits.get("maxBytes", 0)
        self._may_drop = limits.get("onPressure") == "drop"
        self._maskers = (Masker(forms), Masker(forms))
        self._splitters = (LineSplitter(0, self._line), LineSplitter(STDERR, self._line))
        self._builder = ChunkBuilder(key)
        self._stream: SpooledStream | None = None
        #: Chunks that the disk has refused so far.
        self._stuck: deque[tuple[Header, bytes]] = deque()
        self._written = self._builder.totals
        self._losses: tuple[Loss, ...] = ()
        self._lines = self._bytes = 0
        self._limit_at: int | None = None
        self._beyond = [0, 0]
        self._dropped = [0, 0]
        self._is_dropping = False
        self._is_released = False
        self._is_broken = False
        self._flush_timer: asyncio.TimerHandle | None = None
        self._last_close = float("-inf")
        self._is_ended = False
        self._totals: Totals | None = None

    async def capture(self, reader: asyncio.StreamReader, side: int) -> None:
        """Reads stdout (0) or stderr (1) to its end."""
        while data := await reader.read(_READ_BYTES):
            await self.write(side, data)

    async def write(self, side: int, data: bytes) -> None:
        await self._wait_for_room()
        if self._is_ended:
            return
        self._splitters[side].push(self._maskers[side].feed(data), self._clock.now())
        await self._wait_for_disk()

    def release(self) -> None:
        """The process is gone: the little that is still to be read does not wait for the server."""
        self._is_released = True

    def note_loss(self, reason: str, text: str) -> None:
        """Output is missing from here on, nobody knows how much."""
        self._mark_dropped()
        self._losses = add_loss(self._losses, Loss(reason, self._next_line))
        self._put(f"[jobtrail] {text}".encode(), MARKER, self._clock.now())

    async def end(self) -> Totals:
        """The stream is over: last lines, markers, sums."""
        if self._totals is not None:
            return self._totals
        self._is_ended = True
        at = self._clock.now()
        for masker, splitter in zip(self._maskers, self._splitters):
            splitter.push(masker.end(), at)
            splitter.end(at)
        self._mark_dropped()
        if self._limit_at is not None:
            lines, size = self._beyond
            self._losses = add_loss(self._losses, Loss("limit", self._limit_at, lines, size))
            self._put(f"[jobtrail] {_counted(lines, size)} left out by the log limit".encode(), MARKER, at)
        self.flush()
        self._is_released = True
        await self._wait_for_disk()
        totals = self._written if self._is_broken else self._builder.totals
        losses = add_loss(self._losses, Loss("capture-failed", totals.lines)) if self._is_broken else self._losses
        self._totals = Totals(totals.chunks, totals.lines, totals.bytes, totals.digest, losses)
        if self._stream is not None and not self._stream.is_gone:
            try:
                self._stream.append_end(self._totals)
            except OSError as error:
                # Memory has it; a successor would call the log partial, which is safe.
                self._on_fault(error)
            self._delivery.ended(self._stream)
        return self._totals

    def flush(self) -> None:
        """Closes the open chunk, if there is one."""
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        chunk = self._builder.close()
        if chunk is None or self._is_broken:
            return
        self._builder.commit(chunk[0])
        self._last_close = asyncio.get_running_loop().time()
        self._stuck.append(chunk)
        self._write_stuck()

    @property
    def _next_line(self) -> int:
        return self._builder.totals.lines + self._builder.pending_lines

    def _line(self, text: bytes, flags: int, at: int) -> None:
        size = len(text) + newline_bytes(flags)
        if self._limit_at is None and self._is_beyond_limit(size):
            self._reach_limit(at)
        if self._limit_at is not None:
            self._beyond[0] += 1
            self._beyond[1] += size
        elif self._is_dropping:
            self._dropped[0] += 1
            self._dropped[1] += size
        else:
            self._mark_dropped()
            self._lines += 1
            self._bytes += size
            self._put(text, flags, at)

    def _put(self, text: bytes, flags: int, at: int) -> None:
        self._builder.add(text, flags, at)
        if self._builder.is_full:
            self.flush()
        elif self._flush_timer is None:
            loop = asyncio.get_running_loop()
            delay = _FIRST_LINE_DELAY if loop.time() - self._last_close >= _MAX_AGE else _MAX_AGE
            self._flush_timer = loop.call_later(delay, self.flush)

    def _is_beyond_limit(self, size: int) -> bool:
        return 0 < self._max_lines <= self._lines or 0 < self._max_bytes < self._bytes + size

    def _reach_limit(self, at: int) -> None:
        self._mark_dropped()
        self._limit_at = self._next_line
        limit = f"{self._max_lines:,} lines" if 0 < self._max_lines <= self._lines else f"{self._max_bytes:,} bytes"
        self._put(f"[jobtrail] log limit of {limit} reached; what follows is left out".encode(), MARKER, at)

    def _mark_dropped(self) -> None:
        lines, size = self._dropped
        if lines > 0:
            self._dropped = [0, 0]
            self._losses = add_loss(self._losses, Loss("pressure", self._next_line, lines, size))
            self._put(f"[jobtrail] spool full: {_counted(lines, size)} left out".encode(), MARKER, self._clock.now())

    async def _wait_for_room(self) -> None:
        """Back-pressure: while this waits, the pipe of the process fills up."""
        while not self._is_released and not self._is_broken:
            is_full = self._delivery.is_full
            self._is_dropping = is_full and self._may_drop
            stream = self._stream
            is_behind = not self._may_drop and stream is not None and self._delivery.is_sending(stream) and stream.unacked_bytes > _MAX_UNACKED
            if self._is_dropping or not (is_full or is_behind):
                return
            await self._delivery.changed()

    def _write_stuck(self) -> bool:
        try:
            while self._stuck:
                header, body = self._stuck[0]
                if self._stream is None:
                    self._stream = self._delivery.new_stream(self._key)
                self._delivery.append(self._stream, header, body)
                self._written = self._written.after(header)
                self._stuck.popleft()
        except OSError as error:
            self._on_fault(error)
            return False
        return True

    async def _wait_for_disk(self) -> None:
        loop = asyncio.get_running_loop()
        since = loop.time()
        while self._stuck and not self._write_stuck():
            if self._is_released and loop.time() - since > _GIVE_UP_WRITING:
                log.error("the log of %s cannot be written to the spool; the rest of it is lost", self._key.text)
                self._is_broken = True
                self._stuck.clear()
                return
            await asyncio.sleep(_RETRY_WRITE)


def _counted(lines: int, size: int) -> str:
    return f"{lines:,} {'line' if lines == 1 else 'lines'} ({size:,} bytes)"
