"""The worker's settings: arguments over environment variables."""

from __future__ import annotations

import argparse
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from .errors import ConfigError

_LEVELS = ("debug", "info", "warning", "error")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True)
class Config:
    """Times are in milliseconds. ``servers``: load balancers or servers, tried in turn."""

    servers: tuple[str, ...]
    token: str = field(repr=False)
    name: str = field(default_factory=lambda: socket.gethostname()[:120])
    group: str = "default"
    tags: tuple[str, ...] = ()
    slots: int = field(default_factory=lambda: os.cpu_count() or 1)
    spool_dir: Path = Path(".jobtrail-spool")
    spool_limit_bytes: int = 1 << 30
    drain_timeout_ms: int = 60_000
    refused_exit_ms: int = 300_000

    def __post_init__(self) -> None:
        for url in self.servers or ("",):
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ConfigError(f"--server (JOBTRAIL_SERVER): {url!r} is wrong; give an address such as http://jobtrail:8080")
        if not self.token:
            raise ConfigError("--token-file (JOBTRAIL_TOKEN_FILE, JOBTRAIL_TOKEN): missing; give a worker token of the namespace")
        if not 1 <= self.slots <= 10_000:
            raise ConfigError(f"--slots (JOBTRAIL_SLOTS): {self.slots} is wrong; must be 1 to 10000")
        for name in (self.group, *self.tags):
            if _NAME.fullmatch(name) is None:
                raise ConfigError(f"--group, --tags (JOBTRAIL_GROUP, JOBTRAIL_TAGS): {name!r} is wrong; letters, digits, dot, dash, underscore; at most 63")
        if self.spool_limit_bytes < 1 << 20:
            raise ConfigError("--spool-limit-bytes (JOBTRAIL_SPOOL_LIMIT_BYTES): at least 1048576")


#: Flag, environment variable, help.
_SETTINGS = (
    ("server", "JOBTRAIL_SERVER", "address of the load balancer; several are separated by commas"),
    ("token", "JOBTRAIL_TOKEN", "worker token of the namespace; a file is better"),
    ("token-file", "JOBTRAIL_TOKEN_FILE", "file that holds the worker token"),
    ("name", "JOBTRAIL_NAME", "name to show (host name)"),
    ("group", "JOBTRAIL_GROUP", "group that jobs are routed to (default)"),
    ("tags", "JOBTRAIL_TAGS", "tags that jobs may require, separated by commas (none)"),
    ("slots", "JOBTRAIL_SLOTS", "attempts at once (number of cores)"),
    ("spool-dir", "JOBTRAIL_SPOOL_DIR", "folder for what is not yet acknowledged, one a worker (./.jobtrail-spool)"),
    ("spool-limit-bytes", "JOBTRAIL_SPOOL_LIMIT_BYTES", "bound of the unacknowledged log on disk (1073741824)"),
    ("drain-timeout", "JOBTRAIL_DRAIN_TIMEOUT_MS", "how long running attempts may go on at a stop (60000)"),
    ("refused-exit", "JOBTRAIL_REFUSED_EXIT_MS", "a worker that every server refuses for so long ends with status 3 (300000)"),
    ("handlers", "JOBTRAIL_HANDLERS", "Python file whose public functions are handlers, by name"),
    ("log-level", "JOBTRAIL_LOG_LEVEL", "of the worker's own log: debug, info, warning, error (info)"),
)


#: Whole numbers among them, by the setting's name.
_NUMBERS = {"slots": "slots", "spool_limit_bytes": "spool_limit_bytes", "drain_timeout": "drain_timeout_ms", "refused_exit": "refused_exit_ms"}


@dataclass(frozen=True)
class CommandLine:
    config: Config
    handlers: str | None
    log_level: str


def read_command_line(args: Sequence[str], environment: Mapping[str, str]) -> CommandLine:
    """Raises ConfigError. An empty variable counts as unset."""
    parser = argparse.ArgumentParser(prog="jobtrail-worker-py", description="Runs the jobs of a Jobtrail namespace.")
    for flag, variable, text in _SETTINGS:
        parser.add_argument(f"--{flag}", default=environment.get(variable) or None, help=f"{text} [{variable}]")
    given = {name.replace("-", "_"): value for name, value in vars(parser.parse_args(args)).items()}
    settings: dict[str, object] = {
        "servers": _split(given["server"]),
        "token": _token(given["token"], given["token_file"]),
        "tags": _split(given["tags"]),
    }
    for name in ("name", "group"):
        if given[name] is not None:
            settings[name] = given[name]
    for flag, name in _NUMBERS.items():
        if given[flag] is not None:
            settings[name] = _number(flag, given[flag])
    if given["spool_dir"] is not None:
        settings["spool_dir"] = Path(given["spool_dir"])
    level = {"warn": "warning"}.get(given["log_level"] or "info", given["log_level"] or "info")
    if level not in _LEVELS:
        raise ConfigError(f"--log-level (JOBTRAIL_LOG_LEVEL): {level!r} is wrong; must be one of {', '.join(_LEVELS)}")
    return CommandLine(Config(**settings), given["handlers"], level.upper())  # type: ignore[arg-type]


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _token(token: str | None, path: str | None) -> str:
    if path is None:
        return (token or "").strip()
    if token is not None:
        raise ConfigError("--token-file (JOBTRAIL_TOKEN_FILE): give either the token or the file that holds it")
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise ConfigError(f"--token-file (JOBTRAIL_TOKEN_FILE): {path} cannot be read: {error.strerror}") from error


def _number(flag: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,15}", text):
        raise ConfigError(f"--{flag.replace('_', '-')}: {text!r} is wrong; must be a whole number")
    return int(text)
