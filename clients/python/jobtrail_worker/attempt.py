"""One attempt from its acceptance to its end: log, work, time-out, reports."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol

from .chunk import Loss, Totals
from .clock import ForwardClock
from .delivery import Delivery
from .errors import NeverStartsError
from .keys import AttemptKey
from .masker import mask_json, mask_text, secret_forms
from .outcome import Outcome, failure
from .reports import Reports
from .shell import Execution
from .stream import StreamLog

log = logging.getLogger("jobtrail.attempt")

_MAX_ERROR = 8_192
_MAX_PROGRESS = 1_000
#: Longer texts are cut before they are masked.
_MAX_MASKED = 65_536

CANCELLED, TIMED_OUT, WORKER_STOPPED = "cancelled", "timed-out", "worker-stopped"
_STATUS = {CANCELLED: "CANCELLED", TIMED_OUT: "TIMED_OUT", WORKER_STOPPED: "FAILED"}


class Host(Protocol):
    """What an attempt needs of its worker."""

    delivery: Delivery
    reports: Reports

    def make_execution(self, attempt: Attempt) -> Execution: ...

    def check_lease(self) -> None: ...

    def disk_fault(self, error: OSError | None) -> None: ...


class Attempt:
    def __init__(self, assignment: dict[str, Any], host: Host) -> None:
        self.assignment, self._host = assignment, host
        self.key = AttemptKey.of(assignment)
        self.clock = ForwardClock()
        self._forms = secret_forms(assignment["secrets"].values())
        self.stream = StreamLog(self.key, assignment["log"], self._forms, self.clock, host.delivery, host.disk_fault)
        self._execution: Execution | None = None
        self._started_at: int | None = None
        self._stop_reason: str | None = None
        self.is_fenced = False

    async def run(self) -> None:
        """Runs it to its end, and reports the end."""
        outcome = await self._execute()
        finished_at = self.clock.now()
        totals = await self._end_stream()
        self._host.check_lease()
        if self.is_fenced:
            log.info("a fenced attempt has ended: %s", self.key.text)
        else:
            self._host.reports.finished(self.key, self._describe(outcome, finished_at, totals))

    async def released(self) -> None:
        """Waits until the slot is free: later than the end only for a handler that ignores its signal."""
        if self._execution is not None:
            await self._execution.released

    def stop(self, reason: str) -> None:
        """The first reason counts."""
        if self._stop_reason is not None or self.is_fenced:
            return
        if self._execution is None or self._execution.stop(self._explain(reason)):
            self._stop_reason = reason

    def fence(self, reason: str) -> None:
        """No longer this worker's: kills it and reports no end."""
        if not self.is_fenced:
            self.is_fenced = True
            if self._execution is not None:
                self._execution.kill(reason)

    def started(self) -> None:
        self._started_at = self.clock.now()
        self._host.reports.started(self.key, self._started_at)

    def progress(self, percent: float | None, message: str | None) -> None:
        if not self.is_fenced:
            self._host.reports.progress(self.key, percent, self._mask(message, _MAX_PROGRESS))

    async def _execute(self) -> Outcome:
        # The worker may have been frozen since it accepted the attempt; then another one may run it by now.
        self._host.check_lease()
        if self.is_fenced or self._stop_reason is not None:
            return failure("Ended before it started")
        timer: asyncio.TimerHandle | None = None
        try:
            self._execution = self._host.make_execution(self)
            if (timeout := self.assignment["timeoutMs"]) > 0:
                timer = asyncio.get_running_loop().call_later(timeout / 1000, self.stop, TIMED_OUT)
            return await self._execution.run()
        except NeverStartsError as error:
            self._release()
            return failure(str(error), is_final=True)
        except (OSError, RuntimeError, ValueError) as error:
            self._release()
            if isinstance(error, OSError):
                self._host.disk_fault(error)
            log.warning("%s could not be run: %s", self.key.text, error)
            return failure(str(error))
        finally:
            if timer is not None:
                timer.cancel()

    def _release(self) -> None:
        if self._execution is not None and not self._execution.released.done():
            self._execution.released.set_result(None)

    async def _end_stream(self) -> Totals:
        try:
            return await self.stream.end()
        except (OSError, ValueError) as error:
            # Report the end anyway: without its log it will not count as complete.
            log.error("the log of %s could not be brought to its end: %s", self.key.text, error)
            return Totals.empty(self.key).with_loss(Loss("capture-failed", 0))

    def _describe(self, outcome: Outcome, finished_at: int, totals: Totals) -> dict[str, Any]:
        reason = self._stop_reason
        status = _STATUS[reason] if reason is not None else "SUCCEEDED" if outcome.is_success else "FAILED"
        error = outcome.error if reason is None else self._explain(reason)
        problem = self._mask(outcome.kill_problem, _MAX_PROGRESS)
        if problem is not None:
            note = f"Some of its processes could not be ended and still run: {problem}"
            error = note if error is None else f"{note}. {error}"
        end: dict[str, Any] = {
            **self.key.wire,
            **{"status": status, "startedAt": self._started_at, "finishedAt": finished_at, "exitCode": outcome.exit_code, "signal": outcome.signal},
            **{"error": self._mask(error, _MAX_ERROR), "result": None, "log": totals.wire},
        }
        if problem is not None:
            end["killProblem"] = problem
        if status == "SUCCEEDED" and outcome.result_text is not None:
            # Always as text: nothing of it is changed by any reader.
            end["resultText"] = mask_json(outcome.result_text, self._forms)
        if status == "FAILED" and outcome.is_final:
            end["isFinal"] = True
        return end

    def _mask(self, text: str | None, length: int) -> str | None:
        return None if text is None else mask_text(text[:_MAX_MASKED], self._forms)[:length]

    def _explain(self, reason: str) -> str:
        if reason == CANCELLED:
            return "Cancelled"
        return f"Timed out after {self.assignment['timeoutMs']} ms" if reason == TIMED_OUT else "The worker was stopped before the attempt ended"


