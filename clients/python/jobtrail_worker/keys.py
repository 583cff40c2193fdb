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
        instance_id, task, attempt = (message.get(name) for name in ("instanceId", "task", "attempt"))
        if not isinstance(instance_id, str) or type(task) is not int or type(attempt) is not int:
            raise ValueError("an attempt without instanceId, task and attempt")
        key = cls(instance_id, task, attempt)
        if _TEXT.fullmatch(key.text) is None:
            raise ValueError("an attempt key that is none")
        return key

    @classmethod
    def parse(cls, text: str) -> AttemptKey | None:
        match = _TEXT.fullmatch(text)
        return None if match is None else cls(match[1], int(match[2]), int(match[3]))
