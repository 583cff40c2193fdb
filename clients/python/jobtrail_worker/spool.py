"""Log chunks on disk until the server has sealed their stream. One append-only file per stream."""

from __future__ import annotations

import json
import os
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .chunk import Header, Totals
from .keys import AttemptKey

_MAGIC = b"JT1 "
_MAX_LINE = 16_384
#: The cost of a chunk beside its body, on disk and in memory.
_RECORD_OVERHEAD = 512


class Record(NamedTuple):
    """``kind`` is "chunk" or "end". ``at`` and ``to``: where it lies in the file."""

    kind: str
    data: dict[str, Any]
    body: bytes
    at: int
    to: int


def encode_record(kind: str, data: dict[str, Any], body: bytes = b"") -> bytes:
    text = json.dumps([kind, data], separators=(",", ":")).encode()
    return b"%s%08x %s\n%s" % (_MAGIC, zlib.crc32(text), text, body)


class SpoolFile:
    """The chunks of one stream. Only their places are held in memory."""

    def __init__(self, path: Path, key: AttemptKey) -> None:
        self.path, self.key = path, key
        self._fd: int | None = None
        self.size = path.stat().st_size if path.exists() else 0

    def append(self, kind: str, data: dict[str, Any], body: bytes = b"") -> int:
        """Returns the place of the record. Raises OSError, and leaves nothing behind, when the disk refuses it."""
        record = encode_record(kind, data, body)
        fd = self._open()
        try:
            written = 0
            while written < len(record):
                written += os.pwrite(fd, record[written:], self.size + written)
        except OSError:
            os.ftruncate(fd, self.size)
            raise
        at = self.size
        self.size += len(record)
        return at

    def read(self, at: int) -> Record:
        """Raises ValueError when there is no record, or a damaged one."""
        fd = self._open()
        head = os.pread(fd, _MAX_LINE, at)
        line_end = head.find(b"\n")
        if not head.startswith(_MAGIC) or line_end < 0:
            raise ValueError(f"{self.path}: no record at {at}")
        text = head[len(_MAGIC) + 9 : line_end]
        if head[len(_MAGIC) : len(_MAGIC) + 8] != b"%08x" % zlib.crc32(text):
            raise ValueError(f"{self.path}: a damaged record at {at}")
        kind, data = json.loads(text)
        size = data["size"] if kind == "chunk" else 0
        body = head[line_end + 1 : line_end + 1 + size]
        if len(body) < size:
            body = os.pread(fd, size, at + line_end + 1)
        if kind == "chunk" and (len(body) != size or zlib.crc32(body) != data["checksum"]):
            raise ValueError(f"{self.path}: a damaged chunk at {at}")
        return Record(kind, data, body, at, at + line_end + 1 + size)

    def records(self) -> Iterator[Record]:
        """Every intact record; damaged ones are skipped."""
        at: int | None = 0
        while at is not None and at < self.size:
            try:
                record = self.read(at)
            except ValueError:
                at = self._next_magic(at + 1)
                continue
            yield record
            at = record.to

    def truncate(self, size: int) -> None:
        os.ftruncate(self._open(), size)
        self.size = size

    def replace(self, records: list[bytes]) -> None:
        """Writes the file anew; it is on disk before it replaces the old one."""
        new = self.path.with_suffix(".new")
        with open(new, "wb") as file:
            for record in records:
                file.write(record)
            file.flush()
            os.fsync(file.fileno())
        self.close()
        os.replace(new, self.path)
        self.size = self.path.stat().st_size

    def remove(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)

    def move(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self.close()
        if self.path.exists():
            os.replace(self.path, folder / self.path.name)

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def duplicate(self) -> int | None:
        """Another descriptor of the file, for :func:`sync_all`; None when it is closed."""
        return None if self._fd is None else os.dup(self._fd)

    def _open(self) -> int:
        if self._fd is None:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._fd

    def _next_magic(self, at: int) -> int | None:
        while at < self.size:
            block = os.pread(self._open(), 1 << 20, at)
            found = block.find(_MAGIC)
            if found >= 0:
                return at + found
            if len(block) <= len(_MAGIC):
                return None
            at += len(block) - len(_MAGIC) + 1
        return None


def sync_all(fds: list[int]) -> None:
    """Brings files to the disk and closes the descriptors. Raises OSError when the disk refuses one of them."""
    failure: OSError | None = None
    for fd in fds:
        try:
            os.fdatasync(fd)
        except OSError as error:
            failure = error
        finally:
            os.close(fd)
    if failure is not None:
        raise failure


class Gap(NamedTuple):
    """Lines [first, to) are lost, and this many bytes."""

    first: int
    to: int
    bytes: int


class SpooledStream:
    """A stream that is not sealed yet: which chunks wait and which are under way."""

    def __init__(self, file: SpoolFile) -> None:
        self.file, self.key = file, file.key
        self.pending: deque[int] = deque()
        self.in_flight: set[int] = set()
        self.unacked_bytes = 0
        #: Set once the stream is over.
        self.end: Totals | None = None
        #: Nothing is sent before the server has answered `resume`.
        self.is_held = False
        self.is_in_ring = False
        #: Sealed, dropped or set aside.
        self.is_gone = False
        self.seals = 0

    @property
    def is_delivered(self) -> bool:
        return not self.pending and not self.in_flight

    def append(self, header: Header, body: bytes) -> None:
        """Writes a chunk. Raises OSError when the disk refuses it."""
        self.pending.append(self.file.append("chunk", header, body))
        self._count(header)

    def append_end(self, totals: Totals) -> None:
        self.end = totals
        if totals.chunks > 0:
            self.file.append("end", totals.wire)

    def give_back(self, at: int) -> None:
        """It was not delivered: it is the next one again."""
        self.in_flight.discard(at)
        self.pending.appendleft(at)

    def take(self) -> Record:
        """The next chunk, which is under way now. Raises ValueError when it cannot be read back."""
        at = self.pending.popleft()
        self.in_flight.add(at)
        return self.file.read(at)

    def take_back(self) -> None:
        """The connection has ended: chunks under way wait again."""
        self.pending = deque(sorted({*self.pending, *self.in_flight}))
        self.in_flight.clear()

    def settle(self, at: int, header: Header) -> None:
        """It need not be sent again."""
        if at in self.in_flight:
            self.in_flight.discard(at)
            self._count(header, -1)

    def skip_stored(self, ranges: list[dict[str, int]]) -> None:
        """The server has these lines: drops their chunks."""
        for at in list(self.pending) if ranges else []:
            header = self.file.read(at).data
            if is_covered(ranges, header["n"], header["n"] + header["count"]):
                self.pending.remove(at)
                self._count(header, -1)

    def rescan(self, ranges: list[dict[str, int]]) -> None:
        """As :meth:`skip_stored`, for everything in the file."""
        self.pending.clear()
        self.unacked_bytes = 0
        for record in self.file.records():
            if record.kind == "chunk" and not is_covered(ranges, record.data["n"], record.data["n"] + record.data["count"]):
                self.pending.append(record.at)
                self._count(record.data)

    def send_again(self, missing: list[dict[str, int]]) -> None:
        """The server misses these lines."""
        waiting = {*self.pending, *self.in_flight}
        for record in self.file.records():
            if record.kind != "chunk" or record.at in waiting:
                continue
            first, to = record.data["n"], record.data["n"] + record.data["count"]
            if any(each["from"] < to and first < each["to"] for each in missing):
                self.pending.append(record.at)
                self._count(record.data)

    def _count(self, header: Header, sign: int = 1) -> None:
        self.unacked_bytes += sign * (header["size"] + _RECORD_OVERHEAD)


def is_covered(ranges: list[dict[str, int]], first: int, to: int) -> bool:
    return any(each["from"] <= first and to <= each["to"] for each in ranges)
