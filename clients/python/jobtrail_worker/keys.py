"""The name of an attempt."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

_TEXT = re.compile(r"([0-9a-fA-F-]{36})_(\d{1,7})_(\d{1,7})")


class AttemptKey(NamedTuple):
    """``attempt`` counts from 1 and is the fencing token."""

    instance_id: str
    task: int
    attempt: int

    @property
    def text(self) -> str:
        """For file names and environment variables."""
        return f"{self.instance_id}_{self.task}_{self.attempt}"

    @property
    def wire(self) -> dict[str, Any]:
        return {"instanceId": self.instance_id, "task": self.task, "attempt": self.attempt}

    @classmethod
    def of(cls, message: dict[str, Any]) -> AttemptKey:
        """From any message that names an attempt. Raises ValueError for one that does not."""
        key = cls(message.get("instanceId"), message.get("task"), message.get("attempt"))
        if not isinstance(key.instance_id, str) or not isinstance(key.task, int) or not isinstance(key.attempt, int):
            raise ValueError("an attempt without instanceId, task and attempt")
        if _TEXT.fullmatch(key.text) is None:
            raise ValueError("an attempt key that is none")
        return key

    @classmethod
    def parse(cls, text: str) -> AttemptKey | None:
        match = _TEXT.fullmatch(text)
        return None if match is None else cls(match[1], int(match[2]), int(match[3]))
