"""JSON that keeps numbers as they were written: 1.0, 1e400 and 12345678901234567890 stay themselves."""

from __future__ import annotations

import json
from typing import Any

MAX_USER_JSON_BYTES = 65_536
_MAX_DIGITS = 4_000


class JsonNumber(float):
    """A float that remembers its spelling."""

    text: str

    def __new__(cls, text: str) -> JsonNumber:
        number = super().__new__(cls, text)
        number.text = text
        return number


def _parse_int(text: str) -> int | float:
    # Python refuses very long integers, and forgets the sign of -0.
    return JsonNumber(text) if text == "-0" or len(text) > _MAX_DIGITS else int(text)


def loads(text: str | bytes) -> Any:
    """Raises ValueError, also for what is nested too deep to be read."""
    try:
        return json.loads(text, parse_float=JsonNumber, parse_int=_parse_int, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def dumps(value: Any) -> str:
    """Compact text with the spelling of numbers that came from :func:`loads`."""
    if isinstance(value, JsonNumber):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{dumps(str(name))}:{dumps(member)}" for name, member in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(dumps, value)) + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
