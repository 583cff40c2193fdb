"""Lines into frozen chunks with a chain of digests (docs/protocol.md, "Chunks"). Pure: no clock, no files."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field
from typing import Any

from .keys import AttemptKey

MAX_CHUNK_LINES = 1_000
MAX_CHUNK_BYTES = 256 * 1024
MAX_LINE_BYTES = 64 * 1024
MAX_LOSSES = 16
STDERR, CUT, NO_NEWLINE, MARKER = 1, 2, 4, 8

Header = dict[str, Any]


def newline_bytes(flags: int) -> int:
    """1 where the process wrote a newline after the line."""
    return 0 if flags & (CUT | NO_NEWLINE) else 1


def genesis_digest(key: AttemptKey) -> str:
    return hashlib.sha256(f"jobtrail/1 {key.instance_id} {key.task} {key.attempt}".encode()).hexdigest()


def chain_digest(previous: str, header: Header, body: bytes) -> str:
    line = f"{header['n']} {header['count']} {header['bytes']} {header['offset']} {header['firstAt']}\n"
    return hashlib.sha256(bytes.fromhex(previous) + line.encode() + body).hexdigest()


@dataclass(frozen=True)
class Loss:
    """What is missing at line ``at``; None: nobody knows how much."""

    reason: str
    at: int
    lines: int | None = None
    bytes: int | None = None

    @property
    def wire(self) -> dict[str, Any]:
        return {"reason": self.reason, "at": self.at, "lines": self.lines, "bytes": self.bytes}


def add_loss(losses: tuple[Loss, ...], loss: Loss) -> tuple[Loss, ...]:
    """A full list adds it to the last loss of the same reason, else to the last one."""
    if len(losses) < MAX_LOSSES:
        return (*losses, loss)
    at = next((i for i in reversed(range(len(losses))) if losses[i].reason == loss.reason), len(losses) - 1)
    other = losses[at]
    lines = None if other.lines is None or loss.lines is None else other.lines + loss.lines
    size = None if other.bytes is None or loss.bytes is None else other.bytes + loss.bytes
    return (*losses[:at], Loss(other.reason, other.at, lines, size), *losses[at + 1 :])


@dataclass(frozen=True)
class Totals:
    """The sums of a stream so far, or at its end."""

    chunks: int
    lines: int
    bytes: int
    digest: str
    losses: tuple[Loss, ...] = field(default=())

    @classmethod
    def empty(cls, key: AttemptKey) -> Totals:
        return cls(0, 0, 0, genesis_digest(key))

    def after(self, header: Header) -> Totals:
        return Totals(self.chunks + 1, header["n"] + header["count"], header["offset"] + header["bytes"], header["digest"], self.losses)

    def with_loss(self, loss: Loss) -> Totals:
        return Totals(self.chunks, self.lines, self.bytes, self.digest, add_loss(self.losses, loss))

    @property
    def wire(self) -> dict[str, Any]:
        return {"chunks": self.chunks, "lines": self.lines, "bytes": self.bytes, "digest": self.digest, "losses": [loss.wire for loss in self.losses]}

    @classmethod
    def of(cls, message: dict[str, Any]) -> Totals:
        losses = tuple(Loss(each["reason"], each["at"], each["lines"], each["bytes"]) for each in message["losses"])
        return cls(message["chunks"], message["lines"], message["bytes"], message["digest"], losses)


class ChunkBuilder:
    """Collects the lines of one stream, in order; ``close`` freezes them."""

    def __init__(self, key: AttemptKey, totals: Totals | None = None) -> None:
        self._key = key
        self.totals = totals or Totals.empty(key)
        self._lines: list[bytes] = []
        self._table = bytearray()
        self._bytes = 0
        self._first_at = 0
        self._last_at = 0

    @property
    def pending_lines(self) -> int:
        return len(self._lines)

    @property
    def is_full(self) -> bool:
        return len(self._lines) >= MAX_CHUNK_LINES or self._bytes >= MAX_CHUNK_BYTES

    def add(self, text: bytes, flags: int, at: int) -> None:
        """Takes a line without its newline. A clock that went back counts as no time passed."""
        if not self._lines:
            self._first_at = self._last_at = max(at, self._last_at)
        delta = max(0, at - self._last_at)
        self._last_at += delta
        _write_varint(self._table, delta << 4 | flags)
        self._lines.append(text)
        self._bytes += len(text) + newline_bytes(flags)

    def close(self) -> tuple[Header, bytes] | None:
        """The lines since the last close as a chunk; None when there are none. Call :meth:`commit` when it is kept."""
        if not self._lines:
            return None
        body = bytes(self._table) + b"\n".join(self._lines) + b"\n"
        header = {
            **self._key.wire,
            **{"n": self.totals.lines, "count": len(self._lines), "bytes": self._bytes, "offset": self.totals.bytes},
            **{"size": len(body), "encoding": "plain", "firstAt": self._first_at, "lastAt": self._last_at, "checksum": zlib.crc32(body)},
        }
        header["digest"] = chain_digest(self.totals.digest, header, body)
        self._lines, self._table, self._bytes = [], bytearray(), 0
        return header, body

    def commit(self, header: Header) -> None:
        """The chunk is kept: the next one continues from it."""
        self.totals = self.totals.after(header)


def marker_chunk(key: AttemptKey, totals: Totals, text: str, at: int) -> tuple[Header, bytes]:
    """A chunk of one marker line after ``totals``."""
    builder = ChunkBuilder(key, totals)
    builder.add(text.encode(), MARKER, at)
    chunk = builder.close()
    assert chunk is not None
    return chunk


def renumber(totals: Totals, header: Header, body: bytes) -> Header:
    """The same lines at another place: new number, offset and digest."""
    moved = {**header, "n": totals.lines, "offset": totals.bytes}
    moved["digest"] = chain_digest(totals.digest, moved, body)
    return moved


def _write_varint(out: bytearray, value: int) -> None:
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
