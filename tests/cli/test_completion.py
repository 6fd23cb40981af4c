"""The completion scripts, asked by the shells themselves."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from refsort import cli
from refsort.cli.completion import SHELLS, commands, script, whole_parser

pytestmark = pytest.mark.skipif(os.name == "nt", reason="shells of Unix")

ASKED = [
    ("refsort fine", ["finetune"]),
    ("refsort map --method ", ["pca", "tsne", "umap"]),
    ("refsort models ", ["compare", "list", "promote", "rollback"]),
    ("refsort sort --mode ", ["avg", "lda", "max", "prototype", "text"]),
    ("refsort watch --poll ", ["false", "true"]),
    ("refsort sort --dry", ["--dry-run"]),
    ("refsort sort --dataset ", ["Frutas", "Mis fotos"]),
    ("refsort undo --dataset Fr", ["Frutas"]),
]
"""What stands before the Tab key, and what is offered."""

BASH = """
source "$1"
shift
for asked; do
  read -ra COMP_WORDS <<< "$asked"
  [[ $asked == *' ' ]] && COMP_WORDS+=('')
  COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )) COMP_LINE=$asked COMP_POINT=${#asked} COMPREPLY=()
  _shtab_refsort 2>/dev/null
  printf '%s\\n' "=$asked" "${COMPREPLY[@]}"
done
"""
FISH = """
source $argv[1]
for line in $argv[2..]
  echo "=$line"
  complete -C $line
end
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the three scripts and two datasets."""
    folder = tmp_path_factory.mktemp("shell")
    for name in ("Frutas", "Mis fotos"):
        (folder / "Data" / name).mkdir(parents=True)
    for shell in SHELLS:
        (folder / shell).write_text(script(shell), encoding="utf-8")
    return folder


def answers(command: list[str], place: Path) -> dict[str, list[str]]:
    """What a shell offers for each line of ASKED, sorted; of fish's the part before the description."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("REFSORT_")} | {"HOME": str(place)}
    done = subprocess.run(
        [*command, *(line for line, _ in ASKED)],
        cwd=place,
        env=env,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    found: dict[str, list[str]] = {}
    for said in done.stdout.splitlines():
        if said.startswith("="):
            found[said[1:]] = []
        elif said:
            list(found.values())[-1].append(said.split("\t")[0])
    return {line: sorted(offered) for line, offered in found.items()}


def test_bash_offers(place: Path) -> None:
    assert answers(["bash", "-c", BASH, "bash", str(place / "bash")], place) == dict(ASKED)


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not here")
def test_fish_offers(place: Path) -> None:
    assert answers(["fish", "--no-config", "-c", FISH, str(place / "fish")], place) == dict(ASKED)


@pytest.mark.parametrize(
    ("shell", "flags", "ready"),
    [("bash", ["--norc", "--noprofile"], ""), ("zsh", ["-f"], "autoload -Uz compinit; compinit -u -D;")],
)
def test_keys_typed_into_a_terminal(shell: str, flags: list[str], ready: str, place: Path) -> None:
    """The words of a name with a space arrive as one."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not here")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(place)
        os.execvpe(shell, [shell, *flags, "-i"], {"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": str(place)})
    try:
        typed(terminal, f"PS1='> '; {ready} eval \"$(cat {shell})\"; echo re''ady\n")
        assert "ready" in heard(terminal, "ready")
        typed(terminal, "refsort finet\t")
        assert "refsort finetune" in heard(terminal, "refsort finetune")
        typed(terminal, "--recipe lo\t")
        assert "--recipe lora" in heard(terminal, "--recipe lora")
        typed(terminal, "--dataset Mi\t")
        assert "Mis\\ fotos" in heard(terminal, "fotos")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def typed(terminal: int, text: str) -> None:
    os.write(terminal, text.encode())


def heard(terminal: int, wanted: str, seconds: float = 10.0) -> str:
    """What the terminal shows until `wanted` is among it or the time is over."""
    text, end = "", time.monotonic() + seconds
    while wanted not in text and time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\x08", "", text + os.read(terminal, 4096).decode())
    return text


def test_every_command_is_there_with_every_flag() -> None:
    """The parser that the scripts are made from is the one that runs."""
    found = commands(whole_parser())
    assert tuple(found) == cli.COMMANDS
    for name, parser in found.items():
        real = commands(cli._parser([name]))[name]
        assert parser.format_help() == real.format_help()
        assert len(parser._actions) > 1, name


def test_the_scripts_hold_every_flag() -> None:
    flags = {
        flag
        for command in commands(whole_parser()).values()
        for action in command._actions
        for flag in action.option_strings
    }
    for shell in SHELLS:
        text = script(shell)
        missing = [flag for flag in flags if flag not in text and not (shell == "fish" and f"-l {flag[2:]}" in text)]
        assert missing == []
