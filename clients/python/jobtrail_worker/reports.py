"""Tells the servers what becomes of attempts: started, progress, finished."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from .clock import Backoff
from .delivery import Request
from .errors import NoAnswerError, NotConnectedError, RefusedError
from .keys import AttemptKey
from .outbox import Outbox

log = logging.getLogger("jobtrail.reports")

_MAX_BATCH = 500
#: Results and errors make ends large; a message stays well below what a frame may hold.
_MAX_ENDS = 40
#: A start that is followed by its end within this time need not be told.
_COLLECT = 0.005


class Lane:
    """Items by key, sent in batches, one message at a time, until acknowledged. A newer item takes the place of one that waits."""

    def __init__(self, name: str, most: int, send: Callable[[list[Any]], Awaitable[None]], refuse: Callable[[Any, str], None]) -> None:
        self._name, self._most, self._send, self._refuse = name, most, send, refuse
        self._items: dict[str, Any] = {}
        self._is_up = False
        self._task: asyncio.Task[None] | None = None
        self._alone: set[str] = set()

    def put(self, key: str, item: Any) -> None:
        self._items[key] = item
        self._start()

    def delete(self, key: str) -> None:
        self._items.pop(key, None)

    def connected(self) -> None:
        self._is_up = True
        self._start()

    def disconnected(self) -> None:
        self._is_up = False

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        if self._is_up and self._items and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._run())
            self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            log.error("telling %s broke", self._name, exc_info=task.exception())

    async def _run(self) -> None:
        await asyncio.sleep(_COLLECT)
        backoff = Backoff(0.1, 5)
        while self._is_up and self._items:
            batch = dict(list(self._items.items())[: self._most])
            alone = next((key for key in batch if key in self._alone), None)
            if alone is not None:
                batch = {alone: batch[alone]}
            try:
                await self._send(list(batch.values()))
            except RefusedError as error:
                if error.code != "VALIDATION_FAILED":
                    log.warning("%s", error)
                    await asyncio.sleep(backoff.next())
                elif len(batch) > 1:
                    self._alone.update(batch)  # which of them is at fault shows when each is sent alone
                else:
                    self._forget(batch)
                    self._refuse(next(iter(batch.values())), str(error))
                continue
            except (NoAnswerError, NotConnectedError) as error:
                log.debug("%s not delivered: %s", self._name, error)
                return  # sent again after the next hello
            self._forget(batch)
            backoff.reset()

    def _forget(self, batch: dict[str, Any]) -> None:
        for key, item in batch.items():
            self._alone.discard(key)
            if self._items.get(key) is item:
                del self._items[key]


class Reports:
    """What is to be told. Ends stay in the outbox until acknowledged."""

    def __init__(self, outbox: Outbox, request: Request, on_fenced: Callable[[AttemptKey], None]) -> None:
        self._outbox, self._request, self._on_fenced = outbox, request, on_fenced
        self._started = Lane("starts", _MAX_BATCH, self._send_started, self._refused("a start"))
        self._progress = Lane("progress", _MAX_BATCH, self._send_progress, self._refused("a progress"))
        self._finished = Lane("ends", _MAX_ENDS, self._send_finished, self._set_aside)
        self._lanes = (self._started, self._progress, self._finished)

    def load(self) -> None:
        for key, end in self._outbox.ends.items():
            self._finished.put(key, end)

    @property
    def undelivered(self) -> list[AttemptKey]:
        return [AttemptKey.of(end) for end in self._outbox.ends.values()]

    def has(self, key: AttemptKey) -> bool:
        return key.text in self._outbox.ends

    def started(self, key: AttemptKey, at: int) -> None:
        self._started.put(key.text, {**key.wire, "startedAt": at})

    def progress(self, key: AttemptKey, percent: float | None, message: str | None) -> None:
        self._progress.put(key.text, {**key.wire, "percent": percent, "message": message})

    def finished(self, key: AttemptKey, end: dict[str, Any]) -> None:
        self._started.delete(key.text)
        self._progress.delete(key.text)
        self._outbox.add(key, end)
        self._finished.put(key.text, end)

    def forget(self, key: AttemptKey) -> None:
        """The attempt is no longer ours: nothing of it is told."""
        for lane in self._lanes:
            lane.delete(key.text)
        self._outbox.remove(key.text)

    def connected(self) -> None:
        for lane in self._lanes:
            lane.connected()

    def disconnected(self) -> None:
        for lane in self._lanes:
            lane.disconnected()

    async def drained(self, timeout: float) -> bool:
        deadline = asyncio.get_running_loop().time() + timeout
        while self._outbox.ends and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
        return not self._outbox.ends

    def close(self) -> None:
        for lane in self._lanes:
            lane.close()

    async def _send_started(self, attempts: list[Any]) -> None:
        answer = await self._request("started", {"attempts": attempts})
        for attempt, result in zip(attempts, answer["results"]):
            if result == "fenced":
                self._on_fenced(AttemptKey.of(attempt))

    async def _send_progress(self, attempts: list[Any]) -> None:
        await self._request("progress", {"attempts": attempts})

    async def _send_finished(self, attempts: list[Any]) -> None:
        answer = await self._request("finished", {"attempts": attempts})
        for problem in answer.get("problems") or []:
            self._set_aside(attempts[problem["index"]], problem["message"])
        for end in attempts:
            self._outbox.remove(AttemptKey.of(end).text)

    def _set_aside(self, end: Any, problem: str) -> None:
        self._outbox.set_aside(AttemptKey.of(end).text, problem)

    def _refused(self, what: str) -> Callable[[Any, str], None]:
        return lambda item, problem: log.error("the server will not take %s of %s: %s", what, AttemptKey.of(item).text, problem)
