"""The worker itself: takes work into its slots, runs it under the lease, delivers ends and logs."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import shutil
import socket
import uuid
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from . import guard_main, printing
from .assignment import read_assignment
from .attempt import CANCELLED, WORKER_STOPPED, Attempt
from .clock import lease_clock, now_ms
from .config import Config
from .connection import Callbacks, Connection
from .delivery import Delivery
from .errors import ConfigError, WorkerFailure
from .guard import Guard, Reaper
from .handlers import Handler, HandlerExecution
from .identity import SpoolHold
from .keys import AttemptKey
from .lease import GivenUp, Lease
from .outbox import Outbox
from .reports import INVALID, Reports
from .shell import Execution, ShellExecution

log = logging.getLogger("jobtrail.worker")

VERSION = "0.1.0"
_PROTOCOL = 2
_MAX_LISTED = 20_000
#: Beyond so many undelivered ends no work is taken, so that hello can list all.
_MAX_UNDELIVERED = 10_000
_REFUSED_STATUS = 3
_INTERRUPTED_STATUS = 130
#: How long deliveries may take at a stop; the rest stays in the spool.
_DELIVER_TIMEOUT = 15.0
_CLEAR_DISK = 5.0


class Worker:
    """Register handlers, then ``run``. Shell jobs of its group run on it as well."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._handlers: dict[str, Handler] = {}
        self._stop_signals = 0

    def handle(self, name: str, handler: Handler) -> None:
        """The function that runs jobs whose processor is ``{"kind": "handler", "handler": name}``."""
        if not 1 <= len(name) <= 200:
            raise ConfigError(f"a handler's name has 1 to 200 characters; this one has {len(name)}")
        if name in self._handlers:
            raise ConfigError(f'there are two handlers named "{name}"')
        self._handlers[name] = handler

    def handler(self, name: str) -> Callable[[Handler], Handler]:
        """The same as a decorator."""

        def register(handler: Handler) -> Handler:
            self.handle(name, handler)
            return handler

        return register

    def run(self) -> None:
        """Runs until SIGTERM or SIGINT has drained it. Raises WorkerFailure when it cannot go on."""
        asyncio.run(self._main())

    async def _main(self) -> None:
        agent = Agent(self._config, self._handlers)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, agent)
        await agent.run()

    def _signalled(self, agent: Agent) -> None:
        self._stop_signals += 1
        if self._stop_signals > 1:
            os._exit(_INTERRUPTED_STATUS)  # asked twice: the guard kills what still runs
        agent.stop_soon()


class Agent:
    """One life of a worker on the event loop."""

    def __init__(self, config: Config, handlers: dict[str, Handler]) -> None:
        self._config, self._handlers = config, handlers
        self._incarnation, self._started_at = str(uuid.uuid4()), now_ms()
        self._hold = SpoolHold(config.spool_dir, self._incarnation)
        self._runs_dir = config.spool_dir.resolve() / "runs"
        self._lease, self._given_up = Lease(), GivenUp()
        self._guard, self._reaper = Guard(), Reaper()
        self._attempts: dict[str, Attempt] = {}
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._used_slots = 0
        self._is_stopping = self._is_drain_wanted = self._is_welcomed = False
        self._hellos = 0
        self._problem: str | None = None
        self._problem_at = 0.0
        self._stop = asyncio.Event()
        self._failure: WorkerFailure | None = None
        self._lease_timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._connection = Connection(
            list(config.servers),
            config.token,
            config.refused_exit_ms / 1000,
            Callbacks(self._make_hello, self._make_heartbeat, self._welcomed, self._renewed, self._lost, self._command, self._refused),
        )
        self._outbox = Outbox(config.spool_dir, self.disk_fault)
        self.delivery = Delivery(config.spool_dir, config.spool_limit_bytes, self._connection.request, self.disk_fault)
        self.reports = Reports(self._outbox, self._connection.request, lambda key: self._fence([key], "its start was refused"), self._given_up.add)

    async def run(self) -> None:
        """From the first connection to the end of the drain."""
        try:
            self._outbox.load()
            self._clear_leftovers()
            self.delivery.load()
            self.reports.load()
            self._guard.start()
            printing.install()
            self._connection.start()
            log.info("worker %s started: %d slots, group %s, tags %s", self._hold.worker_id, self._config.slots, self._config.group, self._config.tags)
            await self._stop.wait()
            if self._failure is None:
                await self._drain()
        finally:
            await self._close()
        if self._failure is not None:
            raise self._failure

    def stop_soon(self) -> None:
        self._is_stopping = True
        self._connection.beat_now()
        self._stop.set()

    # What attempts ask for.

    def make_execution(self, attempt: Attempt) -> Execution:
        processor = attempt.assignment["processor"]
        if processor["kind"] not in ("shell", "handler"):
            raise RuntimeError(f"This worker cannot run it: {processor.get('problem') or 'its processor is of the kind ' + str(processor['kind'])}")
        if processor["kind"] == "shell":
            return ShellExecution(attempt.assignment, attempt.key, attempt.stream, self._runs_dir, self._guard, self._reaper, attempt.started)
        # On disk before it starts, so that a successor ends its log.
        (self._runs_dir / attempt.key.text).mkdir(mode=0o700, exist_ok=True)
        handler = self._handlers.get(processor.get("handler"))
        if handler is None:
            raise RuntimeError(f'No handler "{processor.get("handler")}" is registered with this worker')
        return HandlerExecution(handler, attempt.assignment, attempt.key, attempt.stream, attempt.started, attempt.progress)

    def check_lease(self) -> None:
        """Kills everything once the lease is over: another worker may have been given the same task."""
        if not self._lease.is_expired:
            return
        for attempt in self._attempts.values():
            if not attempt.is_fenced:
                log.warning("the lease has run out; killed: %s", attempt.key.text)
                self._given_up.add(attempt.key)
                attempt.fence("the lease has run out")

    def disk_fault(self, error: OSError | None) -> None:
        """No new work until the spool could be written for a while."""
        text = f"the spool folder cannot be written: {error.strerror if error is not None else 'unknown'}"
        if self._problem != text:
            log.error("%s", text)
        self._problem, self._problem_at = text, asyncio.get_running_loop().time()
        self._connection.beat_now()

    # What the connection asks for.

    def _make_hello(self) -> dict[str, Any]:
        self.check_lease()
        config = self._config
        return {
            **{"protocol": _PROTOCOL, "workerId": self._hold.worker_id, "name": config.name, "group": config.group, "tags": list(config.tags)},
            **{"handlers": list(self._handlers), "slots": config.slots, "version": VERSION, "host": socket.gethostname()[:255], "pid": os.getpid()},
            **{"startedAt": self._started_at, "attempts": self._held(), "spooled": [key.wire for key in self.delivery.keys(_MAX_LISTED)]},
            **{"incarnation": self._incarnation, "sentAt": now_ms(), "understands": [INVALID], **self._replaced(), **self._said_given_up()},
        }

    def _replaced(self) -> dict[str, Any]:
        """Servers know one of the former processes, and each hello names one: a refused one is followed by another."""
        former = self._hold.former
        if self._is_welcomed or not former:
            return {}
        self._hellos += 1
        return {"replaces": former[(self._hellos - 1) % len(former)]}

    def _make_heartbeat(self) -> dict[str, Any]:
        self.check_lease()
        beat = {
            **{"attempts": self._held(), "freeSlots": self._config.slots - self._used_slots, "isDraining": not self._takes_work},
            **{"spoolBytes": max(0, self.delivery.unacked_bytes), "sentAt": now_ms(), **self._said_given_up()},
        }
        if (problem := self._current_problem) is not None:
            beat["problem"] = problem[:500]
        return beat

    def _welcomed(self, welcome: dict[str, Any], sent_at: float) -> None:
        self._renew(sent_at, welcome["leaseMs"])
        self._note_welcome()
        self._fence([AttemptKey.of(each) for each in welcome["stop"]], "given away while the worker was not connected")
        self.reports.connected()
        self.delivery.connected()
        self._set_drain(welcome.get("drain", False))
        if not self._takes_work:
            self._connection.beat_now()

    def _note_welcome(self) -> None:
        if self._is_welcomed:
            return
        self._is_welcomed = True
        try:
            self._hold.welcomed()
        except OSError as error:
            self.disk_fault(error)  # a successor may have to wait for the end of this process's lease

    def _renewed(self, answer: dict[str, Any], sent_at: float) -> None:
        self._renew(sent_at, None)
        self._fence([AttemptKey.of(each) for each in answer["stop"]], "no longer this worker's")
        self._cancel([AttemptKey.of(each) for each in answer["cancel"]])
        self._set_drain(answer.get("drain", False))

    def _lost(self) -> None:
        self.reports.disconnected()
        self.delivery.disconnected()

    def _refused(self, problem: str) -> None:
        if self._failure is None:
            self._failure = WorkerFailure(f"every server refuses this worker: {problem}", _REFUSED_STATUS)
            log.critical("%s", self._failure)
            self._stop.set()

    def _command(self, event: str, message: dict[str, Any]) -> dict[str, Any]:
        if event == "run":
            return {"results": [self._judge(assignment) for assignment in message["attempts"]]}
        if event == "cancel":
            self._cancel([AttemptKey.of(each) for each in message["attempts"]])
        elif event == "fenced":
            self._fence([AttemptKey.of(each) for each in message["attempts"]], "fenced by the server")
        elif message.get("drain") is not None:
            self._set_drain(message["drain"])
        return {}

    # Work.

    @property
    def _takes_work(self) -> bool:
        return not self._is_stopping and not self._is_drain_wanted

    @property
    def _current_problem(self) -> str | None:
        if self._problem is not None and asyncio.get_running_loop().time() - self._problem_at > _CLEAR_DISK:
            log.info("the spool folder can be written again")
            self._problem = None
        return self._problem

    def _judge(self, raw: Any) -> str:
        """Each attempt by itself: one that cannot be read costs no other."""
        assignment = read_assignment(raw)
        if assignment is None:
            log.error("the server sent an attempt of which not even the key can be read")
            return "refused"
        return self._accept(assignment)

    def _accept(self, assignment: dict[str, Any]) -> str:
        key = AttemptKey.of(assignment)
        # Sent twice, because the first answer was lost: it runs already, or ran.
        if key.text in self._attempts or key.text in self._recent or self.reports.has(key):
            return "accepted"
        is_open = self._takes_work and not self._lease.is_expired and self._current_problem is None and len(self._outbox.ends) < _MAX_UNDELIVERED
        if not is_open or self._used_slots >= self._config.slots or self.delivery.has(key):
            return "refused"
        attempt = Attempt(assignment, self)
        self._attempts[key.text] = attempt
        self._used_slots += 1
        self._spawn(self._run_attempt(attempt))
        return "accepted"

    async def _run_attempt(self, attempt: Attempt) -> None:
        try:
            await attempt.run()
        except Exception:  # the worker goes on, and tells servers that this attempt will have no end
            log.exception("an attempt broke inside the worker: %s", attempt.key.text)
            self._given_up.add(attempt.key)
        finally:
            self._recent[attempt.key.text] = None
            if len(self._recent) > _MAX_LISTED:
                self._recent.popitem(last=False)
            self._attempts.pop(attempt.key.text, None)
        if attempt.assignment["processor"]["kind"] != "shell":
            shutil.rmtree(self._runs_dir / attempt.key.text, ignore_errors=True)
        await attempt.released()
        self._used_slots -= 1

    def _cancel(self, keys: list[AttemptKey]) -> None:
        for key in keys:
            if (attempt := self._attempts.get(key.text)) is not None:
                attempt.stop(CANCELLED)

    def _fence(self, keys: list[AttemptKey], reason: str) -> None:
        for key in keys:
            log.warning("fenced: %s: %s", key.text, reason)
            if (attempt := self._attempts.get(key.text)) is not None:
                attempt.fence(reason)
            self.reports.forget(key)

    def _held(self) -> list[dict[str, Any]]:
        """What runs and is still ours, and what has ended without an acknowledgement."""
        held = {attempt.key: None for attempt in self._attempts.values() if not attempt.is_fenced}
        held |= dict.fromkeys(self.reports.undelivered)
        return [key.wire for key in held]

    def _said_given_up(self) -> dict[str, Any]:
        keys = self._given_up.keys
        return {"givenUp": [key.wire for key in keys]} if keys else {}

    def _renew(self, sent_at: float, lease_ms: float | None) -> None:
        # An answer that arrives late revives nothing.
        self.check_lease()
        self._given_up.answered(sent_at)
        self._lease.renew(sent_at, lease_ms)
        deadline, guard_deadline = self._lease.deadline, self._lease.guard_deadline
        assert deadline is not None and guard_deadline is not None
        self._guard.lease(guard_deadline)
        if self._lease_timer is not None:
            self._lease_timer.cancel()
        self._lease_timer = asyncio.get_running_loop().call_later(max(0, deadline - lease_clock()) / 1000 + 0.001, self.check_lease)

    def _set_drain(self, is_wanted: bool) -> None:
        if is_wanted != self._is_drain_wanted:
            self._is_drain_wanted = is_wanted
            log.info("drained on demand: no new work until undrained" if is_wanted else "undrained")
            self._connection.beat_now()

    # Beginning and end.

    def _clear_leftovers(self) -> None:
        """Kills what a former process left running, before servers learn that the worker is back and retry those attempts."""
        self._runs_dir.mkdir(mode=0o700, exist_ok=True)
        keys = {path.name for path in self._runs_dir.iterdir() if AttemptKey.parse(path.name) is not None}
        if keys:
            guard_main.kill_all(dict.fromkeys(keys, 0), 60)
            log.info("cleared what a former process left of %d attempts", len(keys))
        # Their logs need an end too, also those with nothing in the spool yet.
        for name in keys - self._outbox.ends.keys():
            self.delivery.note_begun(name)
        for path in self._runs_dir.iterdir():
            shutil.rmtree(path, ignore_errors=True)

    async def _drain(self) -> None:
        """Each step is bounded; what could not be delivered stays in the spool."""
        log.info("draining; %d attempts run", len(self._attempts))
        if not await self._idle(self._config.drain_timeout_ms / 1000):
            log.warning("the drain time is over; stopping %d attempts", len(self._attempts))
            for attempt in list(self._attempts.values()):
                attempt.stop(WORKER_STOPPED)
            grace = max((attempt.assignment["killGraceMs"] for attempt in self._attempts.values()), default=0)
            await self._idle(grace / 1000 + _DELIVER_TIMEOUT)
        delivered = await asyncio.gather(self.reports.drained(_DELIVER_TIMEOUT), self.delivery.drained(_DELIVER_TIMEOUT))
        if not all(delivered):
            log.warning("not everything could be delivered; it stays in the spool for the next start")

    async def _idle(self, timeout: float) -> bool:
        deadline = asyncio.get_running_loop().time() + timeout
        while self._attempts and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
        return not self._attempts

    async def _close(self) -> None:
        for attempt in list(self._attempts.values()):
            attempt.fence("the worker was ended")
        await self._connection.close()
        if self._lease_timer is not None:
            self._lease_timer.cancel()
        self.reports.close()
        self.delivery.close()
        await asyncio.to_thread(self._guard.close)
        self._hold.release()
        log.info("worker stopped")

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
