"""A systemd unit for one dataset."""

import getpass
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from refsort.config import Config
from refsort.encoders.export_cache import cache_root
from refsort.files.dataset import Dataset

PROGRAM = Path(__file__).resolve().parents[2]
"""Where the unit's command starts, and so where it would find a config.yaml of its own."""
ROOTS_CAPABILITIES = "CAP_DAC_OVERRIDE CAP_FOWNER CAP_CHOWN CAP_LEASE"
"""What it takes to move other people's files; another user needs none."""
TEMPLATE = """\
# {place}
# systemctl daemon-reload && systemctl enable --now {name}
[Unit]
Description=refsort sorts what arrives in {dataset}
RequiresMountsFor={mounts}
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
WatchdogSec=300
TimeoutStartSec=900
TimeoutStopSec=300
User={user}
WorkingDirectory={program}
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=10
Nice=10

# It reads pictures from strangers: nothing but its own folders may be written.
NoNewPrivileges=yes
CapabilityBoundingSet={capabilities}
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={writable}
ProtectProc=invisible
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
RestrictNamespaces=yes
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


def unit(config: Config, settings_file: Path | None, flags: Mapping[str, Any]) -> str:
    """The text of the unit; every path in it is absolute.

    `flags`: settings that differ from those in the file, and so must stand in the command.
    """
    dataset = Dataset(config.dataset_path.resolve(), config.folders, config.state_dir and config.state_dir.resolve())
    words = [sys.executable, "-m", "refsort", "watch", *flag_words(settings_file, flags)]
    folders = [dataset.root] if config.state_dir is None else [dataset.root, dataset.state.parent]
    name = unit_name(dataset)
    return TEMPLATE.format(
        place=f"/etc/systemd/system/{name}",
        name=name,
        dataset=one_line(str(dataset.root)),
        mounts=" ".join(quoted(str(folder)) for folder in folders),
        user=getpass.getuser(),
        capabilities=ROOTS_CAPABILITIES if getpass.getuser() == "root" else "",
        program=one_line(str(PROGRAM)),
        command=" ".join(quoted(word).replace("$", "$$") for word in words),
        writable=" ".join(quoted(word) for word in [*map(str, folders), *(f"-{cache}" for cache in caches())]),
    )


def unit_name(dataset: Dataset) -> str:
    """Of the daemon of a dataset."""
    return f"refsort-{''.join(c if c.isalnum() and c.isascii() else '-' for c in dataset.name)}.service"


def flag_words(settings_file: Path | None, flags: Mapping[str, Any]) -> list[str]:
    """The words of a command that give it a settings file and further settings."""
    words = [] if settings_file is None else ["--config", str(settings_file.resolve())]
    for key, value in flags.items():
        words += [f"--{key.replace('_', '-')}", str(value)]
    return words


def caches() -> list[Path]:
    """Folders for encoders that are downloaded or exported; they need not exist, which a dash tells systemd."""
    hub = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    return [cache_root().resolve(), Path(hub).expanduser().resolve()]


def one_line(text: str) -> str:
    """For a line that is taken whole: only the percent sign has a meaning (systemd.unit(5), specifiers)."""
    return text.replace("%", "%%").replace("\n", " ")


def quoted(text: str) -> str:
    """One word of a line of words (systemd.syntax(7), quoting)."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("%", "%%")
    return f'"{text}"' if any(c in text for c in " \t'\\;") or '"' in text else text
