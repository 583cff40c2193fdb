"""Who the worker is: the spool folder keeps its ID, and a lock keeps a second worker out of it."""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from pathlib import Path
from typing import Any

from .errors import ConfigError

#: Of a worker that dies again and again before a server has welcomed it, this many processes are remembered.
_MAX_FORMER = 4


class SpoolHold:
    """The spool folder, locked until this process ends.

    ``former``: incarnations before this one that are certainly dead. The lock goes with its process, which proves that only for a process of this kernel,
    and for a folder that is no copy. Servers know one of them: the first, unless a later one died before it read its welcome.
    """

    def __init__(self, folder: Path, incarnation: str) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(self._fd)
                raise ConfigError(f"--spool-dir (JOBTRAIL_SPOOL_DIR): another worker uses {folder}; give each a folder of its own") from error
            path, place = folder / "worker.json", _place_of(folder)
            known = _read(path)
            self.worker_id = known["workerId"] if known is not None else str(uuid.uuid4())
            is_same = known is not None and place is not None and known.get("place") == place
            self.former: list[str] = _former_of(known) if known is not None and is_same else []
            self._path, self._own = path, {"workerId": self.worker_id, "incarnation": incarnation, "place": place}
            _write(path, {**self._own, "former": self.former})
        except OSError as error:
            raise ConfigError(f"--spool-dir (JOBTRAIL_SPOOL_DIR): {folder} cannot be used; give a folder that the worker may write ({error})") from error

    def welcomed(self) -> None:
        """A server knows this process by now: a successor need name no other."""
        _write(self._path, self._own)

    def release(self) -> None:
        os.close(self._fd)


def _place_of(folder: Path) -> str | None:
    """The folder and the boot in which it is used; None where the boot is not known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    status = folder.stat()
    return f"{boot} {status.st_dev}:{status.st_ino}"


def _former_of(known: dict[str, Any]) -> list[str]:
    """The last one that was welcomed comes first, then the last one of all: its welcome may have come too late for it."""
    welcomed, *others = known.get("former") or [None]
    return [each for each in (welcomed, known.get("incarnation"), *others) if each is not None][:_MAX_FORMER]


def _write(path: Path, identity: dict[str, Any]) -> None:
    """Renamed into place: a torn write never becomes an identity."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(identity))
    os.replace(new, path)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        known: dict[str, Any] = json.loads(path.read_text())
        uuid.UUID(known["workerId"])
        return known
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is damaged; remove it to make a new worker of this folder") from error
