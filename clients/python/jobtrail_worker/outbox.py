"""Ends of attempts on disk until a server has acknowledged them: one file each."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .keys import AttemptKey

log = logging.getLogger("jobtrail.outbox")

End = dict[str, Any]


class Outbox:
    """Ends are in memory as well: a disk that refuses one does not stop its delivery."""

    def __init__(self, spool_dir: Path, on_fault: Callable[[OSError], None]) -> None:
        self._dir, self._aside, self._on_fault = spool_dir / "ends", spool_dir / "set-aside", on_fault
        self.ends: dict[str, End] = {}

    def load(self) -> None:
        """Reads what a former process could not deliver."""
        self._dir.mkdir(mode=0o700, exist_ok=True)
        for path in sorted(self._dir.glob("*.json")):
            try:
                end = json.loads(path.read_text())
                self.ends[AttemptKey.of(end).text] = end
            except ValueError as error:
                log.error("%s is damaged and was set aside: %s", path, error)
                self._move_aside(path)

    def add(self, key: AttemptKey, end: End) -> None:
        self.ends[key.text] = end
        path = self._path(key.text)
        try:
            # Renamed into place: a torn write never becomes an end.
            path.with_suffix(".new").write_text(json.dumps(end))
            os.replace(path.with_suffix(".new"), path)
        except OSError as error:
            self._on_fault(error)

    def remove(self, key: str) -> None:
        if self.ends.pop(key, None) is None:
            return
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            self._on_fault(error)  # reported again after a restart, which does no harm

    def set_aside(self, key: str, problem: str) -> None:
        """No server will take it: kept for people."""
        end = self.ends.pop(key, None)
        log.error("the server will not take an end, it was set aside: %s: %s", problem, json.dumps(end))
        self._move_aside(self._path(key))

    def _path(self, key: str) -> Path:
        return self._dir / f"{key}.json"

    def _move_aside(self, path: Path) -> None:
        try:
            self._aside.mkdir(mode=0o700, exist_ok=True)
            os.replace(path, self._aside / path.name)
        except OSError as error:
            self._on_fault(error)
