"""The handlers that the conformance suite calls; handlers.mjs has the same."""

import json
import os


def echo(context):
    """Says what it was given, and returns it."""
    context.log.info("params %s", json.dumps(context.params, separators=(",", ":")))
    context.log.error("to stderr")
    print("printed")
    context.progress(50, "half way")
    return {"params": context.params, "attempt": context.attempt, "jobName": context.job_name}


async def failing(context):
    raise RuntimeError("failed on purpose")


def untilCancelled(context):
    """Ends only when it is told to."""
    context.log.info("waiting")
    context.cancelled.wait()
    context.check()


def telling(context):
    """Tells its secret in every way there is. Ends when the file ``params["gate"]`` is there."""
    secret = context.secrets["PASSWORD"]
    context.log.info(f"secret {secret}")
    context.progress(10, f"at {secret}")
    while not os.path.exists(context.params["gate"]):
        context.sleep(0.02)
    return {"secret": secret}
