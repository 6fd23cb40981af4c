"""refsort: sorts pictures into folders by a few reference pictures of each class, and can take it all back.

from refsort import Config, Sorter

run = Sorter(Config(data_dir="Data", dataset="Tornillos", mode="max")).sort(dry_run=True)
print(run.sorted, run.per_class)
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refsort.config import Config
    from refsort.decide import Decision
    from refsort.sorting import Run, Sorter

# Nothing is told to anybody. onnxruntime (since 1.29, on every system), the hub's client and Ray report what they are
# used for unless they are told not to before they are imported.
for _switch in ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
    os.environ[_switch] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

__version__ = "0.1.0"
__all__ = ["Config", "Decision", "Run", "Sorter", "__version__"]

_HOMES = {"Config": "config", "Decision": "decide", "Run": "sorting", "Sorter": "sorting"}


def __getattr__(name: str) -> object:
    """Import on first use: a process that needs one room should not pay for the whole house."""
    if name not in _HOMES:
        raise AttributeError(f"module 'refsort' has no attribute {name!r}")
    return getattr(import_module(f"refsort.{_HOMES[name]}"), name)
