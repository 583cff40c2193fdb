"""The environment of an attempt's process."""

from __future__ import annotations

import re
from typing import Any

from . import jsontext
from .errors import NeverStartsError
from .guard_main import MARKER
from .keys import AttemptKey

#: What belongs to the worker's own process alone.
_WORKERS_OWN = re.compile(
    r"JOBTRAIL_.*|npm_.*|NODE_OPTIONS|NOTIFY_SOCKET|LISTEN_(PID|FDS|FDNAMES)|WATCHDOG_(PID|USEC)|CREDENTIALS_DIRECTORY|JOURNAL_STREAM|INVOCATION_ID|PYTHON(PATH|HOME|STARTUP)"
)
_HAS_VARIABLE = re.compile(r"[A-Za-z0-9._-]+")


def params_of(assignment: dict[str, Any]) -> dict[str, Any]:
    """The params, with numbers as they were written."""
    text = assignment.get("paramsText")
    params: dict[str, Any] = assignment["params"] if text is None else jsontext.loads(text)
    return params


def param_variables(params: dict[str, Any]) -> dict[str, str]:
    """``backup-dir`` is JOBTRAIL_PARAM_BACKUP_DIR; neither of two names that would be the same variable is one."""
    by_variable: dict[str, list[str]] = {}
    for name in params:
        if _HAS_VARIABLE.fullmatch(name):
            by_variable.setdefault("JOBTRAIL_PARAM_" + re.sub("[.-]", "_", name.upper()), []).append(name)
    values = {}
    for variable, names in by_variable.items():
        if len(names) == 1:
            value = params[names[0]]
            values[variable] = value if isinstance(value, str) else jsontext.dumps(value)
    return values


def build_environment(base: dict[str, str], assignment: dict[str, Any], key: AttemptKey, params_file: str, result_file: str) -> dict[str, str]:
    """The worker's own without what is the worker's alone, then params, the job's, its secrets, and last what nothing may replace."""
    environment = {name: value for name, value in base.items() if not _WORKERS_OWN.fullmatch(name)}
    environment |= param_variables(params_of(assignment))
    environment |= assignment["processor"].get("env") or {}
    environment |= assignment["secrets"]
    for name, value in environment.items():
        if "\0" in value:
            raise NeverStartsError(f"Could not start: the variable {name} holds U+0000, which no process can be given")
    return environment | {
        "JOBTRAIL_INSTANCE_ID": key.instance_id,
        "JOBTRAIL_TASK": str(key.task),
        "JOBTRAIL_ATTEMPT_NUMBER": str(key.attempt),
        "JOBTRAIL_JOB_NAME": assignment["jobName"],
        "JOBTRAIL_SCHEDULED_FOR": assignment["scheduledFor"] or "",
        "JOBTRAIL_PARAMS_FILE": params_file,
        "JOBTRAIL_RESULT_FILE": result_file,
        MARKER: key.text,
    }
