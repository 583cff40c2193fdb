"""The connection to the servers: one session at a time, with hello and heartbeats."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .clock import Backoff, lease_clock
from .errors import NoAnswerError, NotConnectedError, RefusedError
from .socketio import Ack, SocketIo

log = logging.getLogger("jobtrail.connection")

_ACK_TIMEOUT = 10.0
_CONNECT_TIMEOUT = 5.0
_LEAVE_TIMEOUT = 4.0
#: A session that lasted this long was a good one: the back-off begins anew.
_STABLE_AFTER = 10.0
_MAX_REFUSED_BEATS = 3
#: Refusals that do not go away by themselves.
_LASTING = ("UNAUTHENTICATED", "FORBIDDEN", "CONFLICT", "VALIDATION_FAILED")
Message = dict[str, Any]


@dataclass
class Callbacks:
    """How the worker reacts. ``command`` answers a message of the server; times are by the lease clock."""

    make_hello: Callable[[], Message]
    make_heartbeat: Callable[[], Message]
    welcomed: Callable[[Message, float], None]
    renewed: Callable[[Message, float], None]
    lost: Callable[[], None]
    command: Callable[[str, Message], Message]
    refused: Callable[[str], None]


class Connection:
    def __init__(self, urls: list[str], token: str, refused_exit: float, callbacks: Callbacks) -> None:
        self._urls, self._token, self._refused_exit, self._callbacks = urls, token, refused_exit, callbacks
        self._socket: SocketIo | None = None
        self._is_ready = self._is_leaving = self._is_closed = False
        self._pending: set[asyncio.Future[Any]] = set()
        self._heartbeat, self._lease = 1.0, 10.0
        self._beat_soon = asyncio.Event()
        self._wake = asyncio.Event()
        self._refused_since: float | None = None
        self._last_problem = ""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def request(self, event: str, message: Message, body: bytes | None = None) -> Message:
        """The value of the answer. Raises NotConnectedError, NoAnswerError or RefusedError."""
        if not self._is_ready or self._is_leaving:
            raise NotConnectedError("no connection stands")
        return await self._ask(event, message, body)

    def beat_now(self) -> None:
        """Sends a heartbeat now: something changed."""
        self._beat_soon.set()

    async def close(self) -> None:
        self._is_closed = True
        self._wake.set()
        self._drop()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        backoff = Backoff(0.1, 3)
        turn = 0
        while not self._is_closed:
            url = self._urls[turn % len(self._urls)]
            turn += 1
            since = lease_clock()
            reason = await self._live(url)
            if self._is_closed:
                return
            if lease_clock() - since > _STABLE_AFTER * 1000 or self._is_leaving:
                backoff.reset()
            delay = backoff.next()
            # Warn once about the same problem, not at every try.
            level = logging.DEBUG if reason == self._last_problem else logging.WARNING
            log.log(level, "not connected to %s (%s); trying again in %.1f s", url, reason, delay)
            self._last_problem = reason
            try:
                await asyncio.wait_for(self._wake.wait(), delay)
            except asyncio.TimeoutError:
                continue

    async def _live(self, url: str) -> str:
        """One session from start to end. Returns why it ended."""
        socket = SocketIo(url, "/worker", {"token": self._token}, lambda *event: self._take(socket, *event))
        self._socket, self._is_leaving = socket, False
        work: list[asyncio.Future[Any]] = []
        try:
            await asyncio.wait_for(socket.open(), _CONNECT_TIMEOUT)
            reading = asyncio.ensure_future(socket.run())
            work.append(reading)
            await self._say_hello()
            self._refused_since, self._last_problem = None, ""
            log.info("connected to %s", url)
            beating = asyncio.ensure_future(self._beat_on())
            work.append(beating)
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else beating.result()
        except RefusedError as error:
            self._note_refusal(error)
            return str(error)
        except (NotConnectedError, NoAnswerError) as error:
            return str(error)
        except asyncio.TimeoutError:
            return f"no connection within {_CONNECT_TIMEOUT:.0f} s"
        finally:
            for task in work:
                task.cancel()
            self._drop()

    async def _say_hello(self) -> None:
        sent_at = lease_clock()

        def on_answer(value: Message) -> None:
            # Within the acknowledgement itself: a `run` that follows at once is handled after it.
            self._is_ready = True
            self._heartbeat, self._lease = value["heartbeatMs"] / 1000, value["leaseMs"] / 1000
            self._callbacks.welcomed(value, sent_at)

        await self._ask("hello", self._callbacks.make_hello(), on_answer=on_answer)

    async def _beat_on(self) -> str:
        """Sends heartbeats until one fails. Returns why."""
        refused = 0
        while True:
            try:
                await asyncio.wait_for(self._beat_soon.wait(), self._heartbeat)
            except asyncio.TimeoutError:
                pass  # nothing changed: the regular turn
            self._beat_soon.clear()
            if self._is_leaving:
                await asyncio.sleep(0.1)
                continue
            sent_at = lease_clock()
            try:
                # A dead connection must be noticed early enough to renew the lease over another.
                answer = await self._ask("heartbeat", self._callbacks.make_heartbeat(), timeout=min(_ACK_TIMEOUT, max(1.0, self._lease / 3)))
            except RefusedError as error:
                refused += 1
                log.warning("%s", error)
                if error.code == "UNAUTHENTICATED" or refused >= _MAX_REFUSED_BEATS:
                    return str(error)
                continue
            except (NoAnswerError, NotConnectedError) as error:
                return str(error)
            refused = 0
            self._callbacks.renewed(answer, sent_at)

    async def _ask(
        self, event: str, message: Message, body: bytes | None = None, timeout: float = _ACK_TIMEOUT, on_answer: Callable[[Message], None] | None = None
    ) -> Message:
        socket = self._socket
        if socket is None:
            raise NotConnectedError("between two connections")
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        def take(raw: Any) -> None:
            if answer.done():
                return
            if not isinstance(raw, dict) or not isinstance(raw.get("value" if raw.get("ok") else "code"), (dict, str)):
                answer.set_exception(NoAnswerError(f"no usable answer to {event}"))
            elif raw["ok"]:
                if on_answer is not None:
                    on_answer(raw["value"])
                answer.set_result(raw["value"])
            else:
                answer.set_exception(RefusedError(event, raw["code"], str(raw.get("message"))))

        number = socket.emit(event, message, take, body)
        self._pending.add(answer)
        try:
            return await asyncio.wait_for(answer, timeout)
        except asyncio.TimeoutError as error:
            # Nobody knows whether it acted: the next hello settles that.
            if socket is self._socket:
                socket.close()
            raise NoAnswerError(f"no answer to {event} within {timeout:.0f} s") from error
        finally:
            socket.forget(number)
            self._pending.discard(answer)

    def _take(self, socket: SocketIo, event: str, args: list[Any], ack: Ack | None) -> None:
        if socket is not self._socket:
            return
        if ack is None:
            log.warning("the server sent %s without wanting an answer; ignored", event)
            return
        message = args[0] if args and isinstance(args[0], dict) else None
        if event not in ("run", "cancel", "fenced", "config") or message is None:
            log.warning("the server sent %r, which is not known", event)
            ack({"ok": False, "code": "VALIDATION_FAILED", "message": f"unknown event or message: {event}"})
            return
        try:
            if event == "run" and (not self._is_ready or self._is_leaving):
                value: Message = {"results": ["refused"] * len(message["attempts"])}
            elif event == "config" and message.get("reconnect") is True:
                value = self._callbacks.command(event, message)
                self._leave(socket)
            else:
                value = self._callbacks.command(event, message)
            ack({"ok": True, "value": value})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            log.warning("the server sent a bad %s: %r", event, error)
            ack({"ok": False, "code": "VALIDATION_FAILED", "message": repr(error)})

    def _leave(self, socket: SocketIo) -> None:
        """The server is leaving: connect anew once what is under way is answered."""
        self._is_leaving = True

        async def leave() -> None:
            if self._pending:
                await asyncio.wait(list(self._pending), timeout=_LEAVE_TIMEOUT)
            socket.close()

        self._leaving_task = asyncio.get_running_loop().create_task(leave())

    def _note_refusal(self, error: RefusedError) -> None:
        if error.code not in _LASTING:
            return
        now = lease_clock()
        if self._refused_since is None:
            log.error("the servers refuse this worker: %s", error)
            self._refused_since = now
        if now - self._refused_since >= self._refused_exit * 1000:
            self._callbacks.refused(str(error))

    def _drop(self) -> None:
        """Ends the session; what still arrives over it is ignored."""
        was_ready, self._is_ready = self._is_ready, False
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.close()
        for answer in list(self._pending):
            if not answer.done():
                answer.set_exception(NotConnectedError("the connection has ended"))
        if was_ready:
            self._callbacks.lost()
