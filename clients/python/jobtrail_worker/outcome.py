"""How the work of an attempt ended, and its result."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import jsontext

_MAX_DEPTH = 100


@dataclass
class Outcome:
    """``result_text``: JSON. ``is_final``: every further attempt would end the same way."""

    is_success: bool
    exit_code: int | None = None
    signal: str | None = None
    error: str | None = None
    result_text: str | None = None
    kill_problem: str | None = None
    is_final: bool = False


def failure(error: str, is_final: bool = False) -> Outcome:
    return Outcome(False, error=error, is_final=is_final)


def read_result_file(path: Path) -> tuple[str | None, str | None]:
    """The result of a process, or why it was left out. A link, a pipe or a device is not read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None, None
    except OSError as error:
        return None, f"The result was left out: {error.strerror}"
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None, "The result was left out: it is not a file"
        data = file.read(jsontext.MAX_USER_JSON_BYTES * 2 + 1)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None, "The result was left out: it is not UTF-8"
    if text.strip() == "":
        return None, None
    try:
        return check_result(jsontext.loads(text))
    except ValueError as error:
        return None, f"The result was left out: it is not JSON: {error}"


def check_result(value: Any) -> tuple[str | None, str | None]:
    """A value as JSON text within the bounds, or why it is left out."""
    if value is None:
        return None, None
    try:
        text = jsontext.dumps(value)
        size = len(text.encode())
    except RecursionError:
        return None, f"The result was left out: it is nested too deep, the limit is {_MAX_DEPTH} levels"
    except (TypeError, ValueError) as error:
        return None, f"The result was left out: it cannot be written as JSON: {error}"
    if size > jsontext.MAX_USER_JSON_BYTES:
        return None, f"The result was left out: it has {size:,} bytes, the limit is {jsontext.MAX_USER_JSON_BYTES:,}"
    return text, None
