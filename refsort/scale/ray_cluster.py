"""Connecting to Ray: a cluster that is there, or one of our own on this machine."""

import logging
import os
from pathlib import Path
from typing import Any

import refsort
from refsort.encoders import cores
from refsort.errors import RefsortError

OBJECT_STORE_BYTES = 512 << 20
"""For a cluster of our own. Prepared pictures on their way to a GPU are kept in it, and portions of plans."""


def connect(address: str | None, workers: int) -> bool:
    """Whether the connection was made here, so that it is ours to end. Raises RefsortError.

    `address`: of a cluster; None: RAY_ADDRESS, else a cluster of our own with a core for each worker at least.
    """
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    # Nothing is reported to anybody, and a worker without a GPU is no reason for a warning.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise RefsortError("--engine ray needs Ray: 'python3 run.py install scale' adds it") from error
    if ray.is_initialized():
        return False
    options: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": logging.CRITICAL}
    if address == "local":
        options |= {"include_dashboard": False, "num_cpus": max(cores(), workers)}
        options |= {"object_store_memory": OBJECT_STORE_BYTES}
    else:
        # The same program everywhere; what it needs has to be installed on the machines.
        options |= {"runtime_env": {"py_modules": [str(Path(refsort.__file__).parent)]}}
    try:
        ray.init(**options)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        hint = "" if address == "local" else " (a cluster that asks for a token: set RAY_AUTH_MODE=token)"
        raise RefsortError(f"Ray at {address} can't be reached: {last_line(error)}{hint}") from error
    return True


def last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
