"""Replaces secrets by ``***`` before anything is split, cut or reported."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Iterable

MASK = b"***"
_MIN_BYTES = 4
_BASE64_COLUMNS = (64, 76)


def secret_forms(values: Iterable[str]) -> list[bytes]:
    """Every form in which a secret is masked: plain, base64 (at any place), hex, URL-encoded, JSON-escaped.

    A secret of several lines is masked line by line, and as a whole where its form has no newline.
    """
    forms: set[bytes] = set()
    for value in values:
        whole = value.strip()
        raw = re.split(r"\r\n|[\r\n\0]", whole)
        lines = [line.strip() for line in raw]
        for text in {whole, *lines}:
            if _weight(_encode(text)) >= _MIN_BYTES:
                forms.update(form for form in _forms_of(text) if _weight(form) >= _MIN_BYTES and b"\n" not in form)
        # Across lines only where needed: a line that may begin such a match is held back until the next one is there.
        if any(line and _weight(_encode(line)) < _MIN_BYTES for line in lines):
            across = {_encode(newline.join(parts)) for newline in ("\n", "\r\n") for parts in (raw, lines)}
            forms.update(form for form in across if _weight(form) >= _MIN_BYTES)
    return sorted(forms)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _weight(text: bytes) -> int:
    return len(re.sub(rb"\s", b"", text))


def _forms_of(text: str) -> set[bytes]:
    raw = text.encode("utf-8", "replace")
    forms = {raw, raw.hex().encode(), raw.hex().upper().encode()}
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + raw)
        # Only the characters that depend on the secret alone.
        form = encoded[-(-offset * 4 // 3) : (offset + len(raw)) * 4 // 3]
        pieces = [form]
        if offset == 0:
            pieces += [form[at : at + columns] for columns in _BASE64_COLUMNS if len(form) > columns for at in range(0, len(form), columns)]
        for piece in pieces:
            forms |= {piece, piece.replace(b"+", b"-").replace(b"/", b"_")}
    for safe in ("", "/", "!'()*"):
        quoted = urllib.parse.quote(raw, safe=safe)
        for spelling in (quoted, re.sub("%..", lambda match: match[0].lower(), quoted)):
            forms |= {spelling.encode(), spelling.replace("%20", "+").encode()}
    for escaped in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        html = re.sub("[<>&]", lambda match: f"\\u{ord(match[0]):04x}", escaped)
        forms |= {spelling.encode("utf-8", "replace") for spelling in (escaped, escaped.replace("/", "\\/"), html)}
    return forms


class Masker:
    """Masks the bytes of one side of a stream. Holds back what may begin a secret, so it is found wherever reads fall.

    A secret of several lines becomes a mask in each, so lines stay lines.
    """

    def __init__(self, forms: list[bytes]) -> None:
        self._forms = forms
        self._has_newlines = any(b"\n" in form for form in forms)
        self._carry = b""
        #: This many bytes of the carry are covered by a mask that was written already.
        self._covered = 0
        #: The next covered byte begins a secret or a line: it needs a mask of its own.
        self._needs_mask = False

    def feed(self, data: bytes) -> bytes:
        if not self._forms:
            return data
        data = self._carry + data
        return self._mask(data, self._pending_from(data))

    def end(self) -> bytes:
        """No more bytes: the rest."""
        return self._mask(self._carry, len(self._carry))

    def _mask(self, data: bytes, decided: int) -> bytes:
        """Masks ``data`` up to ``decided`` and carries the rest."""
        parts: list[bytes] = []
        at, covered = 0, self._covered - decided
        for start, end in self._found(data):
            if start >= decided:
                break
            parts.append(data[at:start])
            if start > 0 or self._covered == 0:
                self._needs_mask = True
            at = min(end, decided)
            parts.append(self._cover(data[start:at]))
            covered = max(covered, end - decided)
        parts.append(data[at:decided])
        self._covered = max(0, covered)
        self._carry = data[decided:]
        return b"".join(parts)

    def _cover(self, data: bytes) -> bytes:
        parts: list[bytes] = []
        for number, line in enumerate(data.split(b"\n")):
            if number > 0:
                parts.append(b"\n")
                self._needs_mask = True
            if line and self._needs_mask:
                parts.append(MASK)
                self._needs_mask = False
        return b"".join(parts)

    def _found(self, data: bytes) -> list[tuple[int, int]]:
        """Where secrets are; overlapping ones count as one, and so does what is covered already."""
        spans: list[tuple[int, int]] = [(0, self._covered)] if self._covered else []
        for form in self._forms:
            at = data.find(form)
            while at >= 0:
                spans.append((at, at + len(form)))
                at = data.find(form, at + 1)
        merged: list[tuple[int, int]] = []
        for start, end in sorted(spans):
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged

    def _pending_from(self, data: bytes) -> int:
        """Where the first secret may begin that is not whole yet."""
        first = len(data)
        line = 0 if self._has_newlines else data.rfind(b"\n") + 1
        for form in self._forms:
            at = data.find(form[:1], max(line, len(data) - len(form) + 1))
            while 0 <= at < first:
                if form.startswith(data[at:]):
                    first = at
                    break
                at = data.find(form[:1], at + 1)
        return first


def mask_text(text: str, forms: list[bytes]) -> str:
    """The same for texts beside the log."""
    data = text.encode("utf-8", "replace")
    if not any(form in data for form in forms):
        return text
    masker = Masker(forms)
    return (masker.feed(data) + masker.end()).decode("utf-8", "replace")


_JSON_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[-+.\deE]+', re.DOTALL)


def mask_json(text: str, forms: list[bytes]) -> str:
    """JSON stays JSON: strings are masked inside, a number that holds a secret becomes ``"***"``."""
    if not forms:
        return text

    def mask(match: re.Match[str]) -> str:
        token = match[0]
        if not token.startswith('"'):
            return token if mask_text(token, forms) == token else '"***"'
        value = json.loads(token)
        masked = mask_text(value, forms)
        return token if masked == value else json.dumps(masked, ensure_ascii=False)

    return _JSON_TOKEN.sub(mask, text)
