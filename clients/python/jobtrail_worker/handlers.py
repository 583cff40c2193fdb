"""Function jobs: each attempt calls a registered function on a thread of its own."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .environment import params_of
from .errors import Cancelled, ConfigError
from .keys import AttemptKey
from .outcome import Outcome, check_result, failure
from .printing import printing_to
from .stream import StreamLog

log = logging.getLogger("jobtrail.handlers")

#: Called with a :class:`Context`; what it returns (JSON, at most 64 KiB) is the result, what it raises fails the attempt. May be ``async``.
Handler = Callable[["Context"], Any]


class HandlerLog:
    """Writes lines to the attempt's log: debug and info as stdout, warning and error as stderr."""

    def __init__(self, write: Callable[[int, bytes], None]) -> None:
        self._write = write

    def debug(self, message: object, *args: object) -> None:
        self._say(0, "DEBUG", message, args)

    def info(self, message: object, *args: object) -> None:
        self._say(0, "INFO", message, args)

    def warning(self, message: object, *args: object) -> None:
        self._say(1, "WARN", message, args)

    def error(self, message: object, *args: object) -> None:
        self._say(1, "ERROR", message, args)

    def _say(self, side: int, level: str, message: object, args: tuple[object, ...]) -> None:
        text = str(message) % args if args else str(message)
        self._write(side, f"{level} {text}\n".encode("utf-8", "replace"))


class Context:
    """What a handler is called with."""

    def __init__(
        self,
        assignment: dict[str, Any],
        key: AttemptKey,
        write: Callable[[int, bytes], None],
        cancelled: threading.Event,
        on_progress: Callable[[float | None, str | None], None],
    ) -> None:
        self.instance_id, self.task, self.attempt = key
        self.job_name: str = assignment["jobName"]
        #: ISO 8601; None for a run that was asked for.
        self.scheduled_for: str | None = assignment["scheduledFor"]
        self.params: Mapping[str, Any] = params_of(assignment)
        #: The job's secrets by name. Their values are masked in log, result, error and progress.
        self.secrets: Mapping[str, str] = MappingProxyType(dict(assignment["secrets"]))
        self.log = HandlerLog(write)
        #: Set on cancel, time-out, stop of the worker and loss of the lease. Handlers must watch it: a function cannot be killed.
        self.cancelled = cancelled
        self._on_progress = on_progress

    def progress(self, percent: float | None, message: str | None = None) -> None:
        """``percent`` from 0 to 100, or None when unknown."""
        if percent is not None and not 0 <= percent <= 100:
            raise ValueError(f"progress: {percent} is not a percentage from 0 to 100")
        self._on_progress(percent, message)

    def check(self) -> None:
        """Raises :class:`Cancelled` when the attempt is to end."""
        if self.cancelled.is_set():
            raise Cancelled("the attempt is to end")

    def sleep(self, seconds: float) -> None:
        """Sleeps, but raises :class:`Cancelled` as soon as the attempt is to end."""
        if self.cancelled.wait(seconds):
            self.check()


class HandlerExecution:
    """One call. The slot is free when the function has returned, which may be after the end of the attempt."""

    def __init__(
        self,
        handler: Handler,
        assignment: dict[str, Any],
        key: AttemptKey,
        stream: StreamLog,
        on_started: Callable[[], None],
        on_progress: Callable[[float | None, str | None], None],
    ) -> None:
        self._handler, self._stream, self._on_started = handler, stream, on_started
        self._key, self._grace_ms = key, assignment["killGraceMs"]
        self._loop = asyncio.get_running_loop()
        self._cancelled = threading.Event()
        self._is_open = True
        self._grace: asyncio.TimerHandle | None = None
        self._done: asyncio.Future[Outcome] = self._loop.create_future()
        self.released: asyncio.Future[None] = self._loop.create_future()
        self._context = Context(assignment, key, self._write, self._cancelled, lambda *said: self._on_loop(on_progress, *said))

    async def run(self) -> Outcome:
        if self._done.done():  # killed before it began
            self._finish(self._done.result())
            return self._done.result()
        self._on_started()
        threading.Thread(target=self._call, name=f"handler {self._key.text}", daemon=True).start()
        outcome = await self._done
        self._is_open = False
        if self._grace is not None:
            self._grace.cancel()
        return outcome

    def stop(self, reason: str) -> bool:
        if not self._cancelled.is_set():
            self._cancelled.set()
            text = f"{reason}; the handler did not heed its signal within {self._grace_ms} ms and still runs"
            self._grace = self._loop.call_later(self._grace_ms / 1000, self._leave_behind, text)
        return not self._done.done()

    def kill(self, reason: str) -> None:
        self._cancelled.set()
        self._leave_behind(reason)

    def _leave_behind(self, reason: str) -> None:
        """What it prints from now on is no longer part of the attempt."""
        if not self._done.done():
            self._stream.note_loss("cut-off", "the handler still runs; what it prints after this line is missing")
            self._done.set_result(failure(reason))

    def _call(self) -> None:
        """On the handler's own thread."""
        try:
            with printing_to(self._write):
                value = self._handler(self._context)
                if inspect.iscoroutine(value):
                    value = asyncio.run(value)
            text, problem = check_result(value)
            outcome = Outcome(True, result_text=text, error=problem)
        except Cancelled as error:
            outcome = failure(f"Cancelled: {error}")
        except BaseException as error:  # whatever it raises fails the attempt, not the worker
            self._write(1, traceback.format_exc().encode("utf-8", "replace"))
            outcome = failure(f"{type(error).__name__}: {error}")
        self._on_loop(self._finish, outcome)

    def _finish(self, outcome: Outcome) -> None:
        if not self._done.done():
            self._done.set_result(outcome)
        if not self.released.done():
            self.released.set_result(None)

    def _on_loop(self, act: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(act, *args)
        except RuntimeError:
            log.warning("the worker has ended before a handler of %s", self._key.text)

    def _write(self, side: int, data: bytes) -> None:
        """Waits until the line is taken, which slows down a handler that prints faster than its log can be delivered."""
        if not self._is_open:
            return
        try:
            asyncio.run_coroutine_threadsafe(self._stream.write(side, data), self._loop).result()
        except (RuntimeError, CancelledError):
            log.warning("a line of %s came after the worker had ended", self._key.text)


def load_handlers(path: str) -> dict[str, Handler]:
    """The public functions that a Python file defines, by name."""
    spec = importlib.util.spec_from_file_location("jobtrail_handlers", Path(path).resolve())
    if spec is None or spec.loader is None:
        raise ConfigError(f"--handlers (JOBTRAIL_HANDLERS): {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"--handlers (JOBTRAIL_HANDLERS): {path} cannot be loaded: {type(error).__name__}: {error}") from error
    found: dict[str, Handler] = {}
    for name, value in vars(module).items():
        if inspect.isfunction(value) and value.__module__ == spec.name and not name.startswith("_"):
            found[name] = value
    if not found:
        raise ConfigError(f"--handlers (JOBTRAIL_HANDLERS): {path} defines no function")
    return found
