"""A Jobtrail worker in Python."""

from .config import Config
from .errors import Cancelled, ConfigError, WorkerFailure
from .handlers import Context, Handler
from .worker import VERSION, Worker

__version__ = VERSION
__all__ = ["Cancelled", "Config", "ConfigError", "Context", "Handler", "Worker", "WorkerFailure"]
