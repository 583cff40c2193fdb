"""What can go wrong, by name."""


class ConfigError(Exception):
    """A setting is wrong or missing. The program ends with status 2."""


class NotConnectedError(Exception):
    """No server can be asked now; ask again after the next hello."""


class NoAnswerError(Exception):
    """The server did not answer in time or not as the protocol says; whether it acted is unknown."""


class RefusedError(Exception):
    """The server answered ``{"ok": false}``, or refused the connection: it did not act."""

    def __init__(self, event: str, code: str, message: str) -> None:
        super().__init__(f"the server refused {event}: {code} {message}")
        self.code = code


class WorkerFailure(Exception):
    """The worker cannot go on. ``exit_status`` is what its program ends with."""

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class NeverStartsError(Exception):
    """No worker could ever start this attempt, so no retry is of use."""


class Cancelled(Exception):
    """Raised inside a handler that asked whether it should go on, and should not."""
