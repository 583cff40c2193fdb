"""Who the worker is: the spool folder keeps its ID, and a lock keeps a second worker out of it."""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from pathlib import Path

from .errors import ConfigError


class SpoolHold:
    """The folder is this process's until it ends."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(self._fd)
                raise ConfigError(f"--spool-dir (JOBTRAIL_SPOOL_DIR): another worker uses {folder}; give each a folder of its own") from error
            self.worker_id = _read_or_make(folder / "worker.json")
        except OSError as error:
            raise ConfigError(f"--spool-dir (JOBTRAIL_SPOOL_DIR): {folder} cannot be used; give a folder that the worker may write ({error})") from error

    def release(self) -> None:
        os.close(self._fd)


def _read_or_make(path: Path) -> str:
    try:
        return str(uuid.UUID(json.loads(path.read_text())["workerId"]))
    except FileNotFoundError:
        worker_id = str(uuid.uuid4())
        new = path.with_suffix(".new")
        new.write_text(json.dumps({"workerId": worker_id}))
        os.replace(new, path)
        return worker_id
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is damaged; remove it to make a new worker of this folder") from error
