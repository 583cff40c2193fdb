"""``python -m jobtrail_worker``. Exit status 2: invalid configuration. 3: refused by every server."""

from __future__ import annotations

import logging
import os
import sys

from .config import read_command_line
from .errors import ConfigError, WorkerFailure
from .handlers import load_handlers
from .worker import Worker

_INVALID_STATUS = 2


def main() -> int:
    try:
        line = read_command_line(sys.argv[1:], os.environ)
        # Bound to the real stderr: handlers have one of their own.
        logging.basicConfig(level=line.log_level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        # Jobs must not read it from the environment of this process.
        os.environ.pop("JOBTRAIL_TOKEN", None)
        worker = Worker(line.config)
        if line.handlers is not None:
            for name, handler in load_handlers(line.handlers).items():
                worker.handle(name, handler)
        worker.run()
    except ConfigError as error:
        print(f"jobtrail-worker-py: {error}", file=sys.stderr)
        return _INVALID_STATUS
    except WorkerFailure as error:
        print(f"jobtrail-worker-py: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
