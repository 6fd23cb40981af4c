"""Print a script that completes refsort's commands, flags and their values in a shell.

bash: eval "$(refsort completion bash)"; zsh: the same, after compinit; fish: refsort completion fish | source.
"""

import argparse
from typing import Any, get_args, get_origin

HELP = "commands and flags on the Tab key"
SHELLS = ("bash", "zsh", "fish")
FOLDERS = ("FOLDER", "DIR")
FILES = ("FILE", "IMAGE", "PATH", "PHRASE|FILE")
"""What `metavar` says of an argument that is a folder, or another place on the disk."""

# bash quotes what such a function gives as it quotes file names only if "_dir" or "_file" is in the name.
DATASETS: dict[str, Any] = {
    "bash": "_refsort_dataset_dirs",
    "zsh": "_refsort_dataset_dirs",
    "fish": "(_refsort_dataset_dirs)",
    "preamble": {
        "bash": """\
_refsort_dataset_dirs() {
  local folder="${REFSORT_DATA_DIR:-Data}/" path
  compgen -d -- "$folder$1" | while IFS= read -r path; do printf '%s\\n' "${path#"$folder"}"; done
}""",
        "zsh": """\
_refsort_dataset_dirs() {
  local -a names=("${REFSORT_DATA_DIR:-Data}"/*(N-/:t))
  compadd -a names
}""",
        "fish": """\
function _refsort_dataset_dirs
  set -l folder Data
  set -q REFSORT_DATA_DIR; and set folder $REFSORT_DATA_DIR
  for path in $folder/*/
    basename -- $path
  end
end""",
    },
}
"""Names of the folders in data_dir, as far as the environment tells where that is: a settings file is not read."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this command."""
    parser.add_argument("shell", choices=SHELLS, help="for which shell")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")


def run(args: argparse.Namespace) -> int:
    """Print the script. Exit code 0."""
    print(script(args.shell))
    return 0


def script(shell: str) -> str:
    """The script for one of SHELLS, made from the parser itself by shtab (https://docs.iterative.ai/shtab)."""
    import shtab

    parser = whole_parser()
    for command in commands(parser).values():
        for action in command._actions:
            _tell(action)
    text: str = shtab.complete(parser, shell)
    return text


def whole_parser() -> argparse.ArgumentParser:
    """The parser of the command line, with the arguments of every command and not only of the one that is run."""
    from refsort import cli

    parser = cli._parser([])
    for command in commands(parser).values():
        command.get_default("command_module").add_arguments(command)
    return parser


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands' own parsers, by name."""
    (found,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(found.choices)


def _tell(action: argparse.Action) -> None:
    """Say what argparse doesn't know of a value: which words a setting takes, and what is a place on the disk."""
    import shtab

    from refsort.config import Config
    from refsort.encoders import AUTO, BUILTIN, CLIP, WORDS

    setting = Config.model_fields.get(action.dest)
    folder = action.metavar in FOLDERS or action.dest == "folder" or action.dest.endswith("_dir")
    if action.dest == "dataset":
        action.complete = DATASETS  # type: ignore[attr-defined]
    elif action.dest == "encoder":
        action.choices = (AUTO, *BUILTIN, WORDS, CLIP)
    elif folder or action.metavar in FILES:
        action.complete = shtab.DIRECTORY if folder else shtab.FILE  # type: ignore[attr-defined]
    elif setting is not None and get_origin(setting.annotation):
        action.choices = [word for word in get_args(setting.annotation) if isinstance(word, str)] or None
    elif setting is not None and setting.annotation is bool:
        action.choices = ("true", "false")
