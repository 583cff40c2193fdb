"""Ends the processes of attempts. Also a program of its own: the guard, which does so when the worker no longer can.

The guard reads commands from its worker, one a line: ``lease <deadline>``, ``add <key>``, ``group <key> <pid>``, ``gone <key>``. When the deadline
passes, or the worker is gone, it kills everything that it knows of. Only the standard library, and nothing of this package: it starts in milliseconds.
"""

from __future__ import annotations

import os
import select
import signal
import time

MARKER = "JOBTRAIL_ATTEMPT"
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def kill_group(pid: int) -> None:
    """SIGKILL to a process group; one that is gone already is fine."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def find_marked(keys: set[str]) -> dict[int, str]:
    """Live processes that carry the marker of one of these attempts in their environment, and which."""
    wanted = {f"{MARKER}={key}".encode(): key for key in keys}
    found: dict[int, str] = {}
    try:
        names = os.listdir("/proc")
    except OSError:
        return found  # no /proc: the process group has to do
    for name in names:
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                environment = file.read()
        except OSError:
            continue  # gone meanwhile, or another user's
        if MARKER.encode() in environment:
            for variable in environment.split(b"\0"):
                if variable in wanted:
                    found[int(name)] = wanted[variable]
    return found


def kill_marked(keys: set[str]) -> dict[int, str]:
    """Looks once for processes of these attempts and sends them SIGKILL."""
    found = find_marked(keys)
    for pid in found:
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    return found


def kill_all(groups: dict[str, int], bound: float) -> None:
    for pid in groups.values():
        if pid:
            kill_group(pid)
    deadline = time.monotonic() + bound
    # Look twice: a process that forks and ends may slip through one look.
    quiet = 0
    while quiet < 2 and time.monotonic() < deadline:
        quiet = 0 if kill_marked(set(groups)) else quiet + 1
        time.sleep(0.02)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    deadline: float | None = None
    groups: dict[str, int] = {}
    buffer = b""
    while True:
        wait = None if deadline is None or not groups else max(0.0, deadline / 1000 - time.clock_gettime(_CLOCK))
        # No single wait is long: the clock goes on while the machine is suspended, and the wait does not.
        ready, _, _ = select.select([0], [], [], None if wait is None else min(wait, 1.0))
        if not ready:
            if deadline is not None and time.clock_gettime(_CLOCK) * 1000 >= deadline:
                kill_all(groups, 5)
                groups.clear()
            continue
        data = os.read(0, 65_536)
        if not data:
            kill_all(groups, 30)
            return
        *lines, buffer = (buffer + data).split(b"\n")
        for line in lines:
            command, *words = line.decode().split(" ")
            if command == "lease":
                deadline = float(words[0])
            elif command == "add":
                groups[words[0]] = 0
            elif command == "group":
                groups[words[0]] = int(words[1])
            elif command == "gone":
                groups.pop(words[0], None)


if __name__ == "__main__":
    main()
