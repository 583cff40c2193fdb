"""Runs scripts and commands as processes, each in a session of its own."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from . import jsontext
from .environment import build_environment, params_of
from .errors import NeverStartsError
from .guard import Guard, Reaper
from .guard_main import kill_group
from .keys import AttemptKey
from .outcome import Outcome, read_result_file
from .stream import StreamLog

log = logging.getLogger("jobtrail.shell")

#: How long children that hold the pipes are read after the process itself has ended.
_LEFTOVER_GRACE = 5.0
#: How long an end waits for processes that do not die of SIGKILL.
_KILL_BOUND = 60.0
_STREAM_LIMIT = 64 * 1024


class Execution(Protocol):
    """One attempt under way."""

    #: Done when its slot is free again.
    released: asyncio.Future[None]

    async def run(self) -> Outcome:
        """Raises only what keeps it from starting."""

    def stop(self, reason: str) -> bool:
        """SIGTERM, and SIGKILL after the grace time. False when it has ended by itself."""

    def kill(self, reason: str) -> None:
        """SIGKILL now."""


class ShellExecution:
    def __init__(
        self, assignment: dict[str, Any], key: AttemptKey, stream: StreamLog, runs_dir: Path, guard: Guard, reaper: Reaper, on_started: Callable[[], None]
    ) -> None:
        self._assignment, self._key, self._stream = assignment, key, stream
        self._processor: dict[str, Any] = assignment["processor"]
        self._folder, self._guard, self._reaper, self._on_started = runs_dir / key.text, guard, reaper, on_started
        self._process: subprocess.Popen[bytes] | None = None
        self._has_exited = self._is_killed = False
        #: Asked for before the process was there.
        self._is_stop_due = self._is_kill_due = False
        self._grace: asyncio.TimerHandle | None = None
        self._hurry = asyncio.Event()
        self.released: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> Outcome:
        self._guard.add(self._key.text)
        try:
            readers = await self._spawn()
        except BaseException:
            self._clean_up()
            raise
        captures = [asyncio.ensure_future(self._stream.capture(reader, side)) for side, (reader, _) in enumerate(readers)]
        assert self._process is not None
        if self._is_kill_due:
            self.kill("ended while it was started")
        elif self._is_stop_due:
            self.stop("ended while it was started")
        await _wait_for(self._process)
        self._has_exited = True
        if self._grace is not None:
            self._grace.cancel()
        are_open = not await self._wait_for_pipes(captures)
        ended, left = await self._reaper.end(self._key.text, _KILL_BOUND)
        # Also kills what has cleared its environment. The process is not reaped yet, so the group is still its own.
        kill_group(self._process.pid)
        outcome = _outcome_of(self._process.wait())
        self._stream.release()
        _, pending = await asyncio.wait(captures, timeout=_LEFTOVER_GRACE)
        for task in pending:
            task.cancel()
        for task in captures:
            if task not in pending and task.exception() is not None:
                log.error("the output of %s could not be read", self._key.text, exc_info=task.exception())
                self._stream.note_loss("capture-failed", "the output could not be read to its end")
        if are_open and not self._is_killed:
            self._stream.note_loss("cut-off", "output of what was left in the background is cut off here")
        for _, transport in readers:
            transport.close()
        if outcome.is_success:
            outcome.result_text, outcome.error = read_result_file(self._folder / "result.json")
        if ended and outcome.is_success:
            outcome.error = outcome.error or f"Ended what it left in the background: {ended} process{'' if ended == 1 else 'es'}"
        if left:
            outcome.kill_problem = f"{left} process{'' if left == 1 else 'es'} of the attempt"
            self._lingering = asyncio.get_running_loop().create_task(self._linger())
        else:
            self._clean_up()
        return outcome

    def stop(self, reason: str) -> bool:
        if self._has_exited:
            self._hurry.set()
            return False
        if self._process is None:
            self._is_stop_due = True
        elif self._grace is None:
            _signal_group(self._process.pid, signal.SIGTERM)
            grace = self._assignment["killGraceMs"] / 1000
            self._grace = asyncio.get_running_loop().call_later(grace, self.kill, reason)
        return True

    def kill(self, reason: str) -> None:
        if self._process is None:
            self._is_kill_due = True
        elif not self._has_exited:
            self._is_killed = True
            kill_group(self._process.pid)
        self._hurry.set()

    async def _spawn(self) -> list[tuple[asyncio.StreamReader, asyncio.ReadTransport]]:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700, parents=True)
        script, params, result = (self._folder / name for name in ("script", "params.json", "result.json"))
        _write(params, self._assignment.get("paramsText") or jsontext.dumps(params_of(self._assignment)))
        if (text := self._processor.get("script")) is not None:
            _write(script, text)
        environment = build_environment(dict(os.environ), self._assignment, self._key, str(params), str(result))
        command = _command_of(self._processor, str(script))
        cwd = self._processor.get("cwd")
        if cwd is not None and not os.path.isdir(cwd):
            raise RuntimeError(f"Could not start: the working directory {cwd} does not exist on this worker")
        if any("\0" in word for word in command):
            raise NeverStartsError("Could not start: an argument holds U+0000, which no process can be given")
        readers, ends = [], []
        try:
            for _ in range(2):
                reader, transport, write_end = await _open_pipe()
                readers.append((reader, transport))
                ends.append(write_end)
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=ends[0], stderr=ends[1], env=environment, cwd=cwd, start_new_session=True
            )
        except OSError as error:
            for _, transport in readers:
                transport.close()
            if error.errno == errno.E2BIG:
                raise NeverStartsError("Could not start: arguments, environment and params are larger than a process may have on this worker") from error
            if isinstance(error, FileNotFoundError):
                raise RuntimeError(f"Could not start: {command[0]} was not found on this worker") from error
            raise RuntimeError(f"Could not start {command[0]}: {error.strerror}") from error
        finally:
            for fd in ends:
                os.close(fd)
        self._guard.group(self._key.text, self._process.pid)
        self._on_started()
        return readers

    async def _wait_for_pipes(self, captures: Sequence[asyncio.Future[None]]) -> bool:
        """True when the pipes are closed; False after a grace, or when the attempt is to end now."""
        hurry = asyncio.ensure_future(self._hurry.wait())
        closed = asyncio.ensure_future(asyncio.wait(captures))
        await asyncio.wait([hurry, closed], timeout=_LEFTOVER_GRACE, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        closed.cancel()
        return all(task.done() for task in captures)

    async def _linger(self) -> None:
        """Keeps the slot until what did not die of SIGKILL is gone."""
        while (await self._reaper.end(self._key.text, _KILL_BOUND))[1]:
            log.warning("processes of %s cannot be ended; still trying", self._key.text)
        self._clean_up()

    def _clean_up(self) -> None:
        self._guard.gone(self._key.text)
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._folder.exists():
            log.warning("%s could not be removed", self._folder)
        if not self.released.done():
            self.released.set_result(None)


def _command_of(processor: dict[str, Any], script: str) -> list[str]:
    """The script is a file, so it shows in no process list and has no length limit."""
    if processor.get("command") is not None:
        return [processor["command"], *(processor.get("args") or [])]
    return [*(processor.get("interpreter") or "/bin/sh").split(), script]


def _write(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text.encode("utf-8", "replace"))


async def _open_pipe() -> tuple[asyncio.StreamReader, asyncio.ReadTransport, int]:
    read_end, write_end = os.pipe()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_STREAM_LIMIT)
    file = os.fdopen(read_end, "rb", buffering=0)
    try:
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
    except BaseException:
        file.close()
        os.close(write_end)
        raise
    return reader, transport, write_end


async def _wait_for(process: subprocess.Popen[bytes]) -> None:
    """Waits for the end of the process itself, not of its pipes, and does not reap it."""
    try:
        fd = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            await asyncio.sleep(0.02)
        return
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def note() -> None:
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(fd, note)
    try:
        await ended
    finally:
        loop.remove_reader(fd)
        os.close(fd)


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return  # it has just ended


def _outcome_of(code: int) -> Outcome:
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = str(-code)
        return Outcome(False, signal=name, error=f"Killed by {name}")
    return Outcome(True, exit_code=0) if code == 0 else Outcome(False, exit_code=code, error=f"Exit code {code}")


