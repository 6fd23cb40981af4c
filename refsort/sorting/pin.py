"""Which encoder a dataset was begun with: a later outage must never change the model silently."""

import json
from pathlib import Path


def read_pin(pin: Path) -> str | None:
    """The encoder that a dataset was begun with, if any."""
    try:
        name = json.loads(pin.read_text(encoding="utf-8"))["encoder"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return name if isinstance(name, str) else None


def write_pin(pin: Path, encoder: str) -> None:
    """Remember the choice."""
    pin.parent.mkdir(parents=True, exist_ok=True)
    pin.write_text(json.dumps({"encoder": encoder}), encoding="utf-8")
