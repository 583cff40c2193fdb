"""A websocket client (RFC 6455) on asyncio streams: only what socket.io needs."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import ssl
import struct
from urllib.parse import urlsplit

#: The largest frame of a Jobtrail server, with some room.
MAX_MESSAGE_BYTES = 9 * 1024 * 1024
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10


class WebSocketError(Exception):
    """The other side broke the protocol or is no websocket server."""


class WebSocket:
    """One connection. Reading has one owner; ``send`` may be called from anywhere on the event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, url: str) -> WebSocket:
        """``url`` is http(s) or ws(s). The caller bounds the time."""
        parts = urlsplit(url)
        is_secure = parts.scheme in ("https", "wss")
        port = parts.port or (443 if is_secure else 80)
        context = ssl.create_default_context() if is_secure else None
        reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=context)
        try:
            key = base64.b64encode(os.urandom(16))
            target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
            writer.write(
                f"GET {target} HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key.decode()}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            await _check_handshake(reader, key)
        except BaseException:
            writer.close()
            raise
        return cls(reader, writer)

    async def receive(self) -> str | bytes | None:
        """The next message; None when the connection has ended."""
        parts: list[bytes] = []
        size, kind = 0, 0
        try:
            while True:
                is_last, opcode, payload = await self._read_frame(MAX_MESSAGE_BYTES - size)
                if opcode == _PING:
                    self._send_frame(_PONG, payload)
                elif opcode == _CLOSE:
                    self._send_frame(_CLOSE, payload[:2])
                    return None
                elif opcode != _PONG:
                    kind = opcode or kind
                    parts.append(payload)
                    size += len(payload)
                    if is_last:
                        message = b"".join(parts)
                        return message.decode() if kind == _TEXT else message
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, TimeoutError, OSError):
            return None  # all of them mean that the connection has ended

    def send(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self._send_frame(_TEXT, message.encode("utf-8", "replace"))
        else:
            self._send_frame(_BINARY, message)

    def close(self) -> None:
        self._writer.transport.abort()

    async def _read_frame(self, room: int) -> tuple[bool, int, bytes]:
        first, second = await self._reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", await self._reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self._reader.readexactly(8))
        if size > room:
            raise WebSocketError(f"a message of more than {MAX_MESSAGE_BYTES} bytes")
        if first & 0x70 or second & 0x80:
            raise WebSocketError("a frame that no server may send")
        return bool(first & 0x80), first & 0x0F, await self._reader.readexactly(size)

    def _send_frame(self, opcode: int, payload: bytes) -> None:
        if self._writer.transport.is_closing():
            return  # the reader will see the end
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
        elif size < 65_536:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
        mask = os.urandom(4)
        self._writer.write(head + mask + _masked(payload, mask))


def _masked(payload: bytes, mask: bytes) -> bytes:
    """XOR as one big integer, a hundred times as fast as byte by byte."""
    size = len(payload)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "little")
    return (int.from_bytes(payload, "little") ^ key).to_bytes(size, "little")


async def _check_handshake(reader: asyncio.StreamReader, key: bytes) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        raise WebSocketError("the server closed the connection during the handshake") from error
    except asyncio.LimitOverrunError as error:
        raise WebSocketError("the server's answer is too long for a handshake") from error
    status, *lines = head.decode("latin-1").split("\r\n")
    if not status.startswith("HTTP/1.1 101"):
        raise WebSocketError(f"the server answered {status!r} instead of switching to websocket")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    expected = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()
    if headers.get("sec-websocket-accept") != expected:
        raise WebSocketError("the server's handshake does not answer ours")
