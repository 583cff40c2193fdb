"""Bytes of stdout or stderr into lines."""

from __future__ import annotations

from collections.abc import Callable

from .chunk import CUT, MAX_LINE_BYTES, NO_NEWLINE

#: Text without newline, flags, time.
LineSink = Callable[[bytes, int, int], None]


class LineSplitter:
    """Splits at newlines, and cuts lines that are too long, never inside a UTF-8 character."""

    def __init__(self, flag: int, sink: LineSink) -> None:
        self._flag, self._sink, self._rest = flag, sink, b""

    def push(self, data: bytes, at: int) -> None:
        first, *others = data.split(b"\n")
        text = self._rest + first
        for following in others:
            self._line(text, at)
            text = following
        self._rest = self._cut(text, at)

    def end(self, at: int) -> None:
        """No more bytes: what is left is a line without newline."""
        rest, self._rest = self._rest, b""
        if rest:
            self._sink(rest, self._flag | NO_NEWLINE, at)

    def _line(self, text: bytes, at: int) -> None:
        self._sink(text if len(text) <= MAX_LINE_BYTES else self._cut(text, at), self._flag, at)

    def _cut(self, text: bytes, at: int) -> bytes:
        """Hands on pieces of full length while the text is too long; returns what is left."""
        start = 0
        while len(text) - start > MAX_LINE_BYTES:
            end = _character_boundary(text, start + MAX_LINE_BYTES)
            self._sink(text[start:end], self._flag | CUT, at)
            start = end
        return text[start:] if start else text


def _character_boundary(text: bytes, end: int) -> int:
    """``end``, or the beginning of the character that continues there. Bytes that are not UTF-8 are cut anywhere."""
    if not _goes_on(text[end]):
        return end
    for back in (1, 2, 3):
        byte = text[end - back]
        if not _goes_on(byte):
            length = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
            return end - back if length > back else end
    return end


def _goes_on(byte: int) -> bool:
    return byte & 0xC0 == 0x80
