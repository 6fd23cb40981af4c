"""A systemd service and timer, or a line for cron, that fine-tune one dataset every week if there is something new."""

import getpass
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from refsort.config import Config
from refsort.files.dataset import Dataset
from refsort.watch.unit import PROGRAM, caches, flag_words, one_line, quoted, unit_name

TEMPLATE = """\
# {service_place}
[Unit]
Description=refsort learns from what was sorted in {dataset}
RequiresMountsFor={mounts}

[Service]
Type=oneshot
User={user}
WorkingDirectory={program}
ExecStart={command}
Nice=15
IOSchedulingClass=idle
CPUWeight=20
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={writable}
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6

# {timer_place}
# systemctl daemon-reload && systemctl enable --now {timer}
[Unit]
Description=refsort learns every week

[Timer]
OnCalendar=Sun 03:00
RandomizedDelaySec=1h
Persistent=true

[Install]
WantedBy=timers.target

# The same for cron, without systemd (crontab -e):
# 0 3 * * 0  {cron}
"""


def timer(config: Config, settings_file: Path | None, flags: Mapping[str, Any], words: Sequence[str]) -> str:
    """The text of service and timer, one below the other; every path in it is absolute.

    `flags`: settings that differ from those in the file. `words`: flags of the command itself.
    """
    dataset = Dataset(config.dataset_path.resolve(), config.folders, config.state_dir and config.state_dir.resolve())
    command = [sys.executable, "-m", "refsort", "finetune", *flag_words(settings_file, flags), *words]
    folders = [dataset.root] if config.state_dir is None else [dataset.root, dataset.state.parent]
    name = unit_name(dataset).replace(".service", "-learns")
    return TEMPLATE.format(
        service_place=f"/etc/systemd/system/{name}.service",
        timer_place=f"/etc/systemd/system/{name}.timer",
        timer=f"{name}.timer",
        dataset=one_line(str(dataset.root)),
        mounts=" ".join(quoted(str(folder)) for folder in folders),
        user=getpass.getuser(),
        program=one_line(str(PROGRAM)),
        command=" ".join(quoted(word).replace("$", "$$") for word in command),
        writable=" ".join(quoted(word) for word in [*map(str, folders), *(f"-{cache}" for cache in caches())]),
        cron=f"cd {shlex.quote(str(PROGRAM))} && nice {shlex.join(command)}".replace("%", "\\%").replace("\n", " "),
    )
