"""The worker's side of its guard, and the search for what an attempt left behind."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from pathlib import Path

from . import guard_main

log = logging.getLogger("jobtrail.guard")

_POLL = 0.02


class Guard:
    """Starts another guard when one dies, and tells it everything again."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._known: dict[str, int] = {}
        self._deadline: float | None = None
        self._is_closed = False

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(guard_main.__file__))], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True, bufsize=0
        )
        if self._deadline is not None:
            self._write(f"lease {self._deadline:.0f}")
        for key, pid in self._known.items():
            self._write(f"group {key} {pid}")

    def lease(self, deadline: float) -> None:
        self._deadline = deadline
        self._say(f"lease {deadline:.0f}")

    def add(self, key: str) -> None:
        """Before the process is there."""
        self._known[key] = 0
        self._say(f"add {key}")

    def group(self, key: str, pid: int) -> None:
        self._known[key] = pid
        self._say(f"group {key} {pid}")

    def gone(self, key: str) -> None:
        if self._known.pop(key, None) is not None:
            self._say(f"gone {key}")

    def close(self) -> None:
        """The guard kills what it still knows of, and ends."""
        self._is_closed = True
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                log.warning("the guard still ends processes")

    def _say(self, line: str) -> None:
        if self._process is None or self._is_closed:
            return
        if not self._write(line):
            log.warning("the guard died; starting another")
            self._process.wait()
            self.start()

    def _write(self, line: str) -> bool:
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n".encode())
        except BrokenPipeError:
            return False
        return True


class Reaper:
    """Kills what an attempt left in the background, in whatever session."""

    def __init__(self) -> None:
        self._wanted: list[tuple[str, asyncio.Future[set[int]]]] = []
        self._task: asyncio.Task[None] | None = None

    async def end(self, key: str, bound: float) -> tuple[int, int]:
        """How many processes were found and ended, and how many could not be ended within ``bound`` seconds."""
        deadline = asyncio.get_running_loop().time() + bound
        seen: set[int] = set()
        quiet = 0
        while True:
            found = await self._look(key)
            seen |= found
            quiet = 0 if found else quiet + 1
            # After a find, look twice more: a process that forks and ends may slip through one look.
            if quiet > (1 if seen else 0):
                return len(seen), 0
            if asyncio.get_running_loop().time() >= deadline:
                return len(seen), len(found)
            await asyncio.sleep(_POLL)

    async def _look(self, key: str) -> set[int]:
        """One pass over /proc on another thread, shared by all callers that wait."""
        answer: asyncio.Future[set[int]] = asyncio.get_running_loop().create_future()
        self._wanted.append((key, answer))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._scan())
        return await answer

    async def _scan(self) -> None:
        while self._wanted:
            batch, self._wanted = self._wanted, []
            found = await asyncio.to_thread(guard_main.kill_marked, {key for key, _ in batch})
            for key, answer in batch:
                if not answer.done():
                    answer.set_result({pid for pid, owner in found.items() if owner == key})
