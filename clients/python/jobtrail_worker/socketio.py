"""A socket.io client (protocol 5 over Engine.IO 4), websocket only, one namespace."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from . import jsontext
from .errors import NotConnectedError, RefusedError
from .websocket import WebSocket, WebSocketError

log = logging.getLogger("jobtrail.socketio")

_OPEN, _CLOSE, _PING, _PONG, _MESSAGE = "0", "1", "2", "3", "4"
_CONNECT, _DISCONNECT, _EVENT, _ACK, _CONNECT_ERROR, _BINARY_EVENT, _BINARY_ACK = "0", "1", "2", "3", "4", "5", "6"
_PACKET = re.compile(r"([0-6])(?:(\d+)-)?(?:(/[^,]*),?)?(\d+)?(.*)", re.DOTALL)

Ack = Callable[[Any], None]
#: Called with the event's name, its arguments, and how to answer (None when no answer is wanted).
OnEvent = Callable[[str, list[Any], "Ack | None"], None]


class SocketIo:
    """One connection to one namespace. Answers and events are handled in the read loop, in the order in which they came."""

    def __init__(self, url: str, namespace: str, auth: dict[str, Any], on_event: OnEvent) -> None:
        parts = urlsplit(url)
        self._url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/socket.io/?EIO=4&transport=websocket"
        self._namespace, self._auth, self._on_event = namespace, auth, on_event
        self._socket: WebSocket | None = None
        self._silence = 60.0
        self._next_id = 0
        self._acks: dict[int, Ack] = {}

    async def open(self) -> None:
        """Connects to the namespace. Raises RefusedError when the server says no, NotConnectedError otherwise."""
        try:
            self._socket = await WebSocket.connect(self._url)
            handshake = await self._receive_text()
            if not handshake.startswith(_OPEN):
                raise WebSocketError("no Engine.IO handshake")
            settings = json.loads(handshake[1:])
            self._silence = (settings["pingInterval"] + settings["pingTimeout"]) / 1000
            self._socket.send(f"{_MESSAGE}{_CONNECT}{self._namespace},{json.dumps(self._auth)}")
            while True:
                text = await self._receive_text()
                if text.startswith(_PING):
                    self._socket.send(_PONG + text[1:])
                    continue
                kind, _, _, payload = self._parse(text)
                if kind == _CONNECT:
                    return
                if kind == _CONNECT_ERROR:
                    raise _refusal(payload)
                raise WebSocketError(f"unexpected packet {text[:50]!r} before the namespace was joined")
        except (OSError, WebSocketError, ValueError, KeyError) as error:
            self.close()
            raise NotConnectedError(f"{self._url.split('/socket.io/')[0]}: {error}") from error
        except BaseException:
            self.close()
            raise

    async def run(self) -> str:
        """Reads until the connection ends. Returns why."""
        socket = self._socket
        if socket is None:
            return "never opened"
        try:
            while True:
                message = await asyncio.wait_for(socket.receive(), self._silence)
                if message is None:
                    return "the connection ended"
                if isinstance(message, bytes):
                    log.warning("the server sent a binary attachment; ignored")
                elif message.startswith(_PING):
                    socket.send(_PONG + message[1:])
                elif message.startswith(_CLOSE):
                    return "the server closed the connection"
                elif message.startswith(_MESSAGE) and (reason := self._take(message)) is not None:
                    return reason
        except asyncio.TimeoutError:
            return f"nothing was heard for {self._silence:.0f} s"
        except (WebSocketError, ValueError) as error:
            return f"the server broke the protocol: {error}"
        finally:
            self.close()

    def emit(self, event: str, message: Any, ack: Ack, body: bytes | None = None) -> int:
        """Sends an event; ``ack`` is called with the answer, if one comes. Returns a number for :meth:`forget`."""
        if self._socket is None:
            raise NotConnectedError("the connection is closed")
        self._next_id += 1
        self._acks[self._next_id] = ack
        if body is None:
            self._socket.send(f"{_MESSAGE}{_EVENT}{self._namespace},{self._next_id}{_dump([event, message])}")
        else:
            place = {"_placeholder": True, "num": 0}
            self._socket.send(f"{_MESSAGE}{_BINARY_EVENT}1-{self._namespace},{self._next_id}{_dump([event, message, place])}")
            self._socket.send(body)
        return self._next_id

    def forget(self, number: int) -> None:
        """Ignores the answer if it still comes."""
        self._acks.pop(number, None)

    def close(self) -> None:
        self._acks.clear()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _receive_text(self) -> str:
        assert self._socket is not None
        message = await self._socket.receive()
        if not isinstance(message, str):
            raise WebSocketError("the connection ended before it stood")
        return message

    def _parse(self, text: str) -> tuple[str, int, int | None, Any]:
        """Type, number of attachments, number of the answer, payload."""
        match = _PACKET.fullmatch(text, 1)
        if match is None or (match[3] or "/") != self._namespace:
            raise WebSocketError(f"a packet that cannot be read: {text[:50]!r}")
        payload = jsontext.loads(match[5]) if match[5] else None
        return match[1], int(match[2] or 0), None if match[4] is None else int(match[4]), payload

    def _take(self, text: str) -> str | None:
        kind, _, number, payload = self._parse(text)
        if kind == _DISCONNECT:
            return "the server ended the connection"
        if kind in (_ACK, _BINARY_ACK) and number is not None:
            ack = self._acks.pop(number, None)
            if ack is not None:
                ack(payload[0] if isinstance(payload, list) and payload else None)
        elif kind in (_EVENT, _BINARY_EVENT) and isinstance(payload, list) and payload and isinstance(payload[0], str):
            self._on_event(payload[0], payload[1:], None if number is None else lambda value: self._answer(number, value))
        return None

    def _answer(self, number: int, value: Any) -> None:
        if self._socket is not None:
            self._socket.send(f"{_MESSAGE}{_ACK}{self._namespace},{number}{_dump([value])}")


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _refusal(payload: Any) -> RefusedError:
    data = payload.get("data") if isinstance(payload, dict) else None
    code = data.get("code") if isinstance(data, dict) else None
    message = payload.get("message") if isinstance(payload, dict) else payload
    return RefusedError("the connection", str(code or "UNAVAILABLE"), str(message))
