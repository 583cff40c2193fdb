"""Reports what becomes of attempts: started, progress, finished."""

from __future__ import annotations

import asyncio
import json
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
#: The result of an item that the server could not read.
INVALID = "invalid"
#: Results and errors make ends large.
_MAX_MESSAGE_BYTES = 1024 * 1024
#: A start that is followed by its end within this time need not be reported.
_COLLECT = 0.005


class Lane:
    """Items by key, sent in batches, one message at a time, until acknowledged. A newer item takes the place of one that waits."""

    def __init__(self, name: str, send: Callable[[list[Any]], Awaitable[None]], refuse: Callable[[Any, str], None]) -> None:
        self._name, self._send, self._refuse = name, send, refuse
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
            log.error("reporting %s broke", self._name, exc_info=task.exception())

    async def _run(self) -> None:
        await asyncio.sleep(_COLLECT)
        backoff = Backoff(0.1, 5)
        while self._is_up and self._items:
            batch = self._next_batch()
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

    def _next_batch(self) -> dict[str, Any]:
        batch: dict[str, Any] = {}
        size = 0
        for key, item in self._items.items():
            size += len(json.dumps(item))
            if batch and (size > _MAX_MESSAGE_BYTES or len(batch) == _MAX_BATCH):
                break
            batch[key] = item
        return batch

    def _forget(self, batch: dict[str, Any]) -> None:
        for key, item in batch.items():
            self._alone.discard(key)
            if self._items.get(key) is item:
                del self._items[key]


class Reports:
    """What is to be reported. Ends stay in the outbox until acknowledged."""

    def __init__(self, outbox: Outbox, request: Request, on_fenced: Callable[[AttemptKey], None], on_lost: Callable[[AttemptKey], None]) -> None:
        """``on_lost``: no server can read how this attempt ended, so none will ever know more of it."""
        self._outbox, self._request, self._on_fenced, self._on_lost = outbox, request, on_fenced, on_lost
        self._started = Lane("starts", self._send_started, self._refused("a start"))
        self._progress = Lane("progress", self._send_progress, self._refused("a progress"))
        self._finished = Lane("ends", self._send_finished, self._set_aside)
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
        """The attempt is no longer ours: drops its reports."""
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
        problems = _problems_of(answer)
        for index, (attempt, result) in enumerate(zip(attempts, answer["results"])):
            # Former servers say `fenced` of what they cannot read. It says nothing about whose the attempt is: the answers to heartbeats do.
            if index in problems or result == INVALID:
                self._refused("a start")(attempt, problems.get(index, "it cannot be read"))
            elif result == "fenced":
                self._on_fenced(AttemptKey.of(attempt))

    async def _send_progress(self, attempts: list[Any]) -> None:
        answer = await self._request("progress", {"attempts": attempts})
        for index, problem in _problems_of(answer).items():
            self._refused("a progress")(attempts[index], problem)

    async def _send_finished(self, attempts: list[Any]) -> None:
        answer = await self._request("finished", {"attempts": attempts})
        problems = _problems_of(answer)
        for index, (end, result) in enumerate(zip(attempts, answer["results"])):
            if index in problems or result == INVALID:
                self._set_aside(end, problems.get(index, "it cannot be read"))
            else:
                self._outbox.remove(AttemptKey.of(end).text)

    def _set_aside(self, end: Any, problem: str) -> None:
        key = AttemptKey.of(end)
        self._outbox.set_aside(key.text, problem)
        self._on_lost(key)

    def _refused(self, what: str) -> Callable[[Any, str], None]:
        return lambda item, problem: log.error("the server will not take %s of %s: %s", what, AttemptKey.of(item).text, problem)


def _problems_of(answer: dict[str, Any]) -> dict[int, str]:
    """By the place in the list."""
    return {problem["index"]: problem["message"] for problem in answer.get("problems") or []}
