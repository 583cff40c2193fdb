"""Delivers the spool: chunks in a window of messages, each stream resumed after a connect and sealed at its end."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import recovery
from .clock import Backoff
from .errors import NoAnswerError, NotConnectedError, RefusedError
from .keys import AttemptKey
from .spool import Record, SpooledStream, SpoolFile, sync_all

log = logging.getLogger("jobtrail.delivery")

#: ``request(event, message, body)`` gives the answer's value, or raises one of the errors of :mod:`errors`.
Request = Callable[..., Awaitable[dict[str, Any]]]

_MAX_CHUNKS = 64
_MAX_MESSAGE_BYTES = 1024 * 1024
_MAX_BATCH = 500
_WINDOW_MESSAGES = 8
_GATHER = 0.004
_SYNC_EVERY = 0.2
#: A chunk that is refused alone this many times for what it is will never be taken.
_MAX_REFUSALS = 3
_PERMANENT = ("VALIDATION_FAILED", "PAYLOAD_TOO_LARGE")


class Delivery:
    """Owns every stream that is not sealed yet."""

    def __init__(self, spool_dir: Path, limit_bytes: int, request: Request, on_fault: Callable[[OSError], None]) -> None:
        self._dir, self._limit, self._request, self._on_fault = spool_dir / "streams", limit_bytes, request, on_fault
        self._aside = spool_dir / "set-aside"
        self._streams: dict[str, SpooledStream] = {}
        #: Streams of a former process, not yet looked at with the server's knowledge.
        self._former: set[SpooledStream] = set()
        self._unsealable: set[SpooledStream] = set()
        self._ring: deque[SpooledStream] = deque()
        self._to_seal: dict[SpooledStream, float] = {}
        self._refusals: dict[tuple[SpooledStream, int], int] = {}
        self.unacked_bytes = 0
        self._session = 0
        self._is_up = False
        self._messages = 0
        self._not_before = 0.0
        self._backoff = Backoff(0.05, 5)
        self._pump_due: asyncio.TimerHandle | None = None
        self._is_sealing = False
        self._unsynced: set[SpoolFile] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    def note_begun(self, name: str) -> None:
        """A former process had begun this attempt: makes a file for its log."""
        self._dir.mkdir(mode=0o700, exist_ok=True)
        (self._dir / f"{name}.log").touch(0o600)

    def load(self) -> None:
        """Takes over the streams of a former process."""
        for stream in recovery.open_streams(self._dir):
            self._streams[stream.key.text] = stream
            self._former.add(stream)
            self.unacked_bytes += stream.unacked_bytes

    # What producers ask for.

    def has(self, key: AttemptKey) -> bool:
        return key.text in self._streams

    def keys(self, most: int) -> list[AttemptKey]:
        return [stream.key for stream in list(self._streams.values())[:most]]

    @property
    def is_full(self) -> bool:
        return self.unacked_bytes >= self._limit

    def is_sending(self, stream: SpooledStream) -> bool:
        """Whether acknowledgements for it can be expected now."""
        return self._is_up and not stream.is_held and not stream.is_gone

    async def changed(self) -> None:
        """Waits until something was acknowledged, at most a second. Callers look again."""
        try:
            await asyncio.wait_for(self._changed.wait(), 1)
        except asyncio.TimeoutError:
            return

    def new_stream(self, key: AttemptKey) -> SpooledStream:
        stream = SpooledStream(SpoolFile(self._dir / f"{key.text}.log", key))
        self._streams[key.text] = stream
        return stream

    def append(self, stream: SpooledStream, header: dict[str, Any], body: bytes) -> None:
        """Raises OSError when the disk refuses the chunk."""
        if stream.is_gone:
            return
        with self._accounting(stream):
            stream.append(header, body)
        self._enlist(stream)
        self._pump_soon()
        if not self._unsynced:
            asyncio.get_running_loop().call_later(_SYNC_EVERY, self._sync)
        self._unsynced.add(stream.file)

    def ended(self, stream: SpooledStream) -> None:
        self._after_progress(stream)

    async def drained(self, timeout: float) -> bool:
        """True once everything is sealed; False after ``timeout`` seconds."""
        deadline = asyncio.get_running_loop().time() + timeout
        while set(self._streams.values()) - self._unsealable:
            if asyncio.get_running_loop().time() >= deadline:
                return False
            try:
                await asyncio.wait_for(self._changed.wait(), 0.2)
            except asyncio.TimeoutError:
                continue
        return True

    def _sync(self) -> None:
        """What was written since the last time is at risk in a power failure only."""
        fds = [fd for fd in (file.duplicate() for file in self._unsynced) if fd is not None]
        self._unsynced.clear()
        self._spawn(self._sync_all(fds))

    async def _sync_all(self, fds: list[int]) -> None:
        try:
            await asyncio.to_thread(sync_all, fds)
        except OSError as error:
            self._on_fault(error)

    # What the connection tells.

    def connected(self) -> None:
        self._session += 1
        self._is_up = True
        self._backoff.reset()
        self._not_before = 0
        self._cancel_pump()
        for stream in self._streams.values():
            stream.is_held = True
        self._spawn(self._resume(self._session, list(self._streams.values())))

    def disconnected(self) -> None:
        self._is_up = False
        self._session += 1
        self._messages = 0
        self._cancel_pump()
        for stream in self._streams.values():
            stream.take_back()
            self._enlist(stream)

    def close(self) -> None:
        self.disconnected()
        for task in self._tasks:
            task.cancel()
        for stream in self._streams.values():
            stream.file.close()

    # Resuming.

    async def _resume(self, session: int, streams: list[SpooledStream]) -> None:
        backoff = Backoff(0.1, 5)
        at = 0
        while at < len(streams) and session == self._session:
            page = streams[at : at + _MAX_BATCH]
            try:
                answer = await self._request("resume", {"streams": [stream.key.wire for stream in page]})
            except (RefusedError, NoAnswerError, NotConnectedError) as error:
                if session == self._session:
                    log.warning("resume failed: %s", error)
                    await asyncio.sleep(backoff.next())
                continue
            if session != self._session:
                return
            for stream, result in zip(page, answer["results"]):
                if not stream.is_gone:
                    self._resumed(stream, result["state"], result["ranges"])
            at += len(page)

    def _resumed(self, stream: SpooledStream, state: str, ranges: list[dict[str, int]]) -> None:
        if state in ("sealed", "unknown"):
            self._drop(stream)
            return
        try:
            with self._accounting(stream):
                if stream in self._former:
                    if not recovery.repair(stream, ranges):
                        self._unsealable.add(stream)
                    stream.rescan(ranges)
                    self._former.discard(stream)
                else:
                    stream.skip_stored(ranges)
        except (OSError, ValueError) as error:
            self._set_aside(stream, f"cannot be read: {error}")
            return
        stream.is_held = False
        self._enlist(stream)
        self._after_progress(stream)
        self._pump_soon()

    # Sending.

    def _enlist(self, stream: SpooledStream) -> None:
        if stream.pending and not stream.is_in_ring:
            stream.is_in_ring = True
            self._ring.append(stream)

    def _put_first(self, stream: SpooledStream) -> None:
        stream.is_in_ring = True
        self._ring.appendleft(stream)

    def _cancel_pump(self) -> None:
        if self._pump_due is not None:
            self._pump_due.cancel()
            self._pump_due = None

    def _pump_soon(self) -> None:
        """Sends at once when nothing is under way; else gathers chunks for a few milliseconds, to share a message."""
        if self._pump_due is None and self._is_up:
            delay = max(_GATHER if self._messages else 0, self._not_before - asyncio.get_running_loop().time())
            self._pump_due = asyncio.get_running_loop().call_later(delay, self._pump)

    def _pump(self) -> None:
        self._pump_due = None
        while self._is_up and self._messages < _WINDOW_MESSAGES:
            if asyncio.get_running_loop().time() < self._not_before:
                self._pump_soon()
                return
            chunks = self._next_message()
            if not chunks:
                return
            self._messages += 1
            self._spawn(self._send(self._session, chunks))

    def _next_message(self) -> list[tuple[SpooledStream, Record]]:
        """One chunk of each stream in turn, until the message is full."""
        chunks: list[tuple[SpooledStream, Record]] = []
        size = 0
        for _ in range(len(self._ring) + _MAX_CHUNKS):
            if not self._ring or len(chunks) == _MAX_CHUNKS:
                break
            stream = self._ring.popleft()
            stream.is_in_ring = False
            if stream.is_gone or stream.is_held or not stream.pending:
                continue
            is_alone = (stream, stream.pending[0]) in self._refusals
            if is_alone and chunks:
                self._put_first(stream)
                break
            try:
                record = stream.take()
            except (OSError, ValueError) as error:
                self._set_aside(stream, f"cannot be read back: {error}")
                continue
            if chunks and size + len(record.body) > _MAX_MESSAGE_BYTES:
                stream.give_back(record.at)
                self._put_first(stream)
                break
            chunks.append((stream, record))
            size += len(record.body)
            self._enlist(stream)
            if is_alone:
                break
        return chunks

    async def _send(self, session: int, chunks: list[tuple[SpooledStream, Record]]) -> None:
        headers = [record.data for _, record in chunks]
        try:
            answer = await self._request("log", {"chunks": headers}, b"".join(record.body for _, record in chunks))
            results = answer["results"]
        except RefusedError as error:
            if session == self._session:
                self._refused(chunks, error)
        except (NoAnswerError, NotConnectedError) as error:
            log.debug("log chunks not delivered: %s", error)  # the connection is over: they wait again
        else:
            if session == self._session:
                self._settle(chunks, results)
        if session == self._session:
            self._messages -= 1
            self._pump_soon()

    def _settle(self, chunks: list[tuple[SpooledStream, Record]], results: list[str]) -> None:
        is_busy = False
        for (stream, record), result in reversed(list(zip(chunks, results))):
            if stream.is_gone:
                continue
            if result == "busy":
                is_busy = True
                stream.give_back(record.at)
                self._enlist(stream)
                continue
            with self._accounting(stream):
                stream.settle(record.at, record.data)
            self._refusals.pop((stream, record.at), None)
            if result in ("ok", "dup"):
                self._after_progress(stream)
            else:
                self._set_aside(stream, f"lines from {record.data['n']}: {result}")
        self._changed.set()
        self._changed = asyncio.Event()
        if is_busy:
            self._back_off()
        else:
            self._backoff.reset()

    def _refused(self, chunks: list[tuple[SpooledStream, Record]], error: RefusedError) -> None:
        log.warning("%s", error)
        for stream, record in reversed(chunks):
            if stream.is_gone:
                continue
            stream.give_back(record.at)
            self._enlist(stream)
            place = (stream, record.at)
            self._refusals.setdefault(place, 0)
            if len(chunks) == 1 and error.code in _PERMANENT:
                self._refusals[place] += 1
                if self._refusals[place] >= _MAX_REFUSALS:
                    self._set_aside(stream, f"lines from {record.data['n']} are never accepted: {error}")
        self._back_off()

    def _back_off(self) -> None:
        self._not_before = asyncio.get_running_loop().time() + self._backoff.next()

    # Sealing.

    def _after_progress(self, stream: SpooledStream) -> None:
        if stream.is_gone or stream.is_held or not stream.is_delivered:
            return
        if stream in self._unsealable:
            self._set_aside(stream, "lines were lost, and later ones are stored already; all others are delivered")
        elif stream.end is not None:
            self._to_seal.setdefault(stream, 0)
            self._seal_soon()

    def _seal_soon(self) -> None:
        if not self._is_sealing and self._is_up and self._to_seal:
            self._is_sealing = True
            self._spawn(self._seal_all(self._session))

    async def _seal_all(self, session: int) -> None:
        backoff = Backoff(0.1, 10)
        try:
            while self._to_seal and session == self._session:
                now = asyncio.get_running_loop().time()
                batch = [(stream, stream.end) for stream, at in self._to_seal.items() if at <= now][:_MAX_BATCH]
                if not batch:
                    await asyncio.sleep(max(0.01, min(self._to_seal.values()) - now))
                    continue
                try:
                    streams = [{**stream.key.wire, "totals": end.wire} for stream, end in batch if end is not None]
                    answer = await self._request("seal", {"streams": streams})
                except (RefusedError, NoAnswerError, NotConnectedError) as error:
                    if session == self._session:
                        log.warning("seal failed: %s", error)
                        await asyncio.sleep(backoff.next())
                    continue
                if session == self._session:
                    for (stream, _), result in zip(batch, answer["results"]):
                        if self._to_seal.pop(stream, None) is not None:
                            self._sealed(stream, result["state"], result["missing"])
        finally:
            self._is_sealing = False
            self._seal_soon()

    def _sealed(self, stream: SpooledStream, state: str, missing: list[dict[str, int]]) -> None:
        if state in ("sealed", "unknown"):
            self._drop(stream)
        elif state == "missing":
            stream.seals += 1
            with self._accounting(stream):
                stream.send_again(missing)
            # The first time it is sealed again at once.
            rest = 0.0 if stream.seals == 1 else random.uniform(0.5, 1) * min(10, 0.2 * 2 ** min(stream.seals, 10))
            at = asyncio.get_running_loop().time() + rest
            if stream.is_delivered and missing:
                self._set_aside(stream, "the server misses lines that the spool does not have")
                return
            if stream.is_delivered:
                self._to_seal[stream] = at
                return
            self._not_before = max(self._not_before, at)
            self._enlist(stream)
            self._pump_soon()
        else:
            self._set_aside(stream, "the server's sums are not ours")

    # The end of a stream here.

    def _drop(self, stream: SpooledStream) -> None:
        self._forget(stream)
        stream.file.remove()

    def _set_aside(self, stream: SpooledStream, why: str) -> None:
        """It cannot be delivered: keeps it for people and never sends it again."""
        log.error("the log of %s was set aside in %s: %s", stream.key.text, self._aside, why)
        self._forget(stream)
        stream.file.move(self._aside)

    def _forget(self, stream: SpooledStream) -> None:
        stream.is_gone = True
        self.unacked_bytes -= stream.unacked_bytes
        for known in (self._former, self._unsealable):
            known.discard(stream)
        self._to_seal.pop(stream, None)
        self._refusals = {place: count for place, count in self._refusals.items() if place[0] is not stream}
        self._streams.pop(stream.key.text, None)
        self._changed.set()
        self._changed = asyncio.Event()

    @contextmanager
    def _accounting(self, stream: SpooledStream) -> Iterator[None]:
        former = stream.unacked_bytes
        try:
            yield
        finally:
            if not stream.is_gone:
                self.unacked_bytes += stream.unacked_bytes - former

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("delivery broke", exc_info=task.exception())
