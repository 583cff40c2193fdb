"""One attempt as a server sends it."""

from __future__ import annotations

from typing import Any

from .keys import AttemptKey


def read_assignment(raw: Any) -> dict[str, Any] | None:
    """The attempt, or None where not even its key can be read.

    Where only the key can be read, the attempt is taken all the same and reported FAILED with the reason: refused, it would be sent again for ever.
    """
    try:
        key = AttemptKey.of(raw)
    except (AttributeError, ValueError):
        return None
    try:
        _check(raw)
    except _BadMember as error:
        return {**key.wire, **_EMPTY, "processor": {"kind": "unreadable", "problem": str(error)}}
    return raw  # type: ignore[no-any-return]


_EMPTY: dict[str, Any] = {"jobName": "", "scheduledFor": None, "params": {}, "secrets": {}, "timeoutMs": 0, "killGraceMs": 0, "log": {}}


class _BadMember(Exception):
    pass


def _check(attempt: dict[str, Any]) -> None:
    for name in ("jobName", "scheduledFor", "processor", "params", "secrets", "timeoutMs", "killGraceMs", "log"):
        if name not in attempt:
            raise _BadMember(f"{name}: is missing")
    _is(isinstance(attempt["jobName"], str), "jobName: is no text")
    _is(attempt["scheduledFor"] is None or isinstance(attempt["scheduledFor"], str), "scheduledFor: is no text")
    _is(isinstance(attempt["params"], dict), "params: is no JSON object")
    _is(isinstance(attempt.get("paramsText", ""), str), "paramsText: is no text")
    _is(_is_map_of_text(attempt["secrets"]), "secrets: is no map of text")
    for name in ("timeoutMs", "killGraceMs"):
        _is(_is_count(attempt[name]), f"{name}: is no whole number from 0 on")
    _is(isinstance(attempt["log"], dict), "log: is no object")
    for name in ("maxLines", "maxBytes"):
        _is(_is_count(attempt["log"].get(name)), f"log.{name}: is no whole number from 0 on")
    _check_processor(attempt["processor"])


def _check_processor(processor: Any) -> None:
    _is(isinstance(processor, dict) and isinstance(processor.get("kind"), str), "processor: has no kind")
    if processor["kind"] == "handler":
        _is(isinstance(processor.get("handler"), str), "processor.handler: is no text")
    if processor["kind"] != "shell":
        return
    for name in ("script", "interpreter", "command", "cwd"):
        _is(processor.get(name) is None or isinstance(processor[name], str), f"processor.{name}: is no text")
    _is((processor.get("script") is None) != (processor.get("command") is None), "processor.script: give either script or command")
    args = processor.get("args") or []
    _is(isinstance(args, list) and all(isinstance(each, str) for each in args), "processor.args: is no list of text")
    _is(_is_map_of_text(processor.get("env") or {}), "processor.env: is no map of text")


def _is(holds: bool, problem: str) -> None:
    if not holds:
        raise _BadMember(problem)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_map_of_text(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
