"""Every setting, its default and its limits. Flag > REFSORT_* variable > config.yaml > default.

`config.yaml` shows each key with its comment; the flags of the command line are these keys with dashes.
"""

import difflib
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from refsort.errors import ConfigError
from refsort.names import fold, unsafe_reason

PREFIX = "REFSORT_"
OTHER_VARIABLES = frozenset(
    {"REFSORT_CONFIG", "REFSORT_SHARED", "REFSORT_DEBUG", "REFSORT_PROGRAM", "REFSORT_CACHE"}
    | {"REFSORT_APP_PASSWORD", "REFSORT_APP_PASSWORD_FILE"}
)
"""Variables of ours that are no settings."""


class Folders(BaseModel):
    """Names of the folders inside a dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    references: str = "Clases"
    arrivals: str = "Images"
    sorted: str = "Dataset"
    unsure: str = "Unsure"
    unknown: str = "Unknown"
    bad: str = "Bad"
    duplicates: str = "Duplicates"
    models: str = "Models"

    @field_validator("*")
    @classmethod
    def _plain(cls, value: str) -> str:
        if reason := unsafe_reason(value):
            raise ValueError(f"not a folder name, {reason}")
        if value.startswith("."):
            raise ValueError("a folder name may not begin with a dot")
        return value

    @model_validator(mode="after")
    def _distinct(self) -> "Folders":
        names = list(self.model_dump().values())
        if len({fold(name) for name in names}) < len(names):
            raise ValueError("two folders have the same name")
        return self


class Config(BaseModel):
    """The settings of one run. Frozen; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str = Field("Tornillos", min_length=1, description="the dataset: a folder in data_dir")
    mode: Literal["lda", "prototype", "avg", "max", "text"] = Field("lda", description="how classes are scored")
    data_dir: Path = Field(Path("Data"), description="where the datasets lie")
    encoder: str = Field("auto", min_length=1, description="auto, builtin, builtin-large, clip-ViT-B-32 or a folder")
    precision: Literal["fp32", "int8"] = Field("fp32", description="int8: clip-ViT-B-32 is faster and less exact")
    text_weight: float = Field(2.0, ge=0, description="references that a class's phrases are worth (mode lda)")
    text_encoder: str | None = Field(None, description="a model for the phrases only, such as a multilingual one")
    action: Literal["move", "copy", "hardlink", "symlink", "tag"] = Field(
        "move", description="what happens to a sorted picture"
    )
    unsure: Literal["move", "keep", "off"] = Field(
        "move", description="unsure and unknown pictures: to Unsure/ and Unknown/, stay, or sort anyway"
    )
    bad: Literal["move", "keep"] = Field("move", description="unreadable pictures: to Bad/, or stay")
    max_wrong: float = Field(0.05, gt=0, lt=1, description="share of moved pictures that may be wrong (mode lda)")
    unknown_share: float = Field(0.1, ge=0, lt=1, description="share of arrivals that belong to no class (mode lda)")
    refine: bool = Field(False, description="let each batch of arrivals refine the class means (mode lda)")
    learn_from_corrections: bool = Field(
        True, description="pictures that people put right or confirmed serve as references too"
    )
    min_score: float = Field(-1.0, ge=-1, le=1, description="a best cosine below this is unsure (other modes)")
    min_margin: float = Field(0.03, ge=0, le=2, description="a lead below this is unsure (other modes)")
    settle: float = Field(5.0, ge=0, description="watch: seconds without change before an arrival is whole")
    settle_closed: float = Field(1.0, ge=0, description="watch: the same after its writer has closed it")
    bad_after: float = Field(300.0, ge=0, description="watch: seconds of patience with an unreadable picture")
    rescan: float = Field(30.0, gt=0, description="watch: seconds between two looks at the whole folder")
    poll: bool = Field(False, description="watch: true: don't ask the system for events")
    on_unsure: tuple[str, ...] | None = Field(None, description="watch: a command run for each picture left aside")
    batch_size: int = Field(0, ge=0, le=1024, description="pictures encoded at once; 0: as the encoder likes it")
    threads: int = Field(0, ge=0, le=256, description="threads for decoding and encoding; 0: one per core")
    isolate: bool = Field(False, description="decode in processes of their own, for pictures from strangers")
    max_pixels: int = Field(200_000_000, ge=1, description="larger pictures are refused before decoding")
    max_bytes: int = Field(500_000_000, ge=1, description="larger files are refused before reading")
    cache_limit: int = Field(200_000, ge=0, description="vectors kept in the cache; those unused for longest go first")
    state_dir: Path | None = Field(None, description="elsewhere than in the dataset: journal, cache, reports")
    folders: Folders = Folders()

    @field_validator("dataset")
    @classmethod
    def _one_folder(cls, value: str) -> str:
        if reason := unsafe_reason(value):
            raise ValueError(f"not the name of a folder in data_dir, {reason}")
        return value

    @field_validator("on_unsure", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        """A string is split as a shell would; no shell ever sees it."""
        return (shlex.split(value) if isinstance(value, str) else value) or None

    @property
    def dataset_path(self) -> Path:
        return self.data_dir / self.dataset


def load_config(
    path: Path | None = None, flags: Mapping[str, Any] | None = None, env: Mapping[str, str] | None = None
) -> Config:
    """Merge file, environment and flags (None: not given) into a Config.

    Without a path it is $REFSORT_CONFIG or ./config.yaml if there is one. Relative paths in the file count from the
    file's folder, those in flags and variables from the working directory. Raises ConfigError listing every wrong key.
    """
    env = os.environ if env is None else env
    if path is None and env.get("REFSORT_CONFIG"):
        path = Path(env["REFSORT_CONFIG"])
    if path is None and Path("config.yaml").is_file():
        path = Path("config.yaml")
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for source, layer in (
        (str(path), _from_file(path) if path else {}),
        ("environment", _from_env(env)),
        ("command line", {k: v for k, v in (flags or {}).items() if v is not None}),
    ):
        values.update(layer)
        origin.update(dict.fromkeys(layer, source))
    try:
        return Config(**values)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(e, origin) for e in error.errors())) from None


def _from_file(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no valid YAML: {' '.join(str(error).split())}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold lines like 'dataset: Tornillos'")
    values = {str(key): value for key, value in content.items() if value is not None}
    for key in ("data_dir", "state_dir"):
        if isinstance(values.get(key), str):
            values[key] = path.resolve().parent / Path(values[key]).expanduser()
    if isinstance(values.get("dataset"), int):
        values["dataset"] = str(values["dataset"])
    if values.get("unsure") is False:
        values["unsure"] = "off"  # YAML 1.1 reads a bare off as false.
    return values


def _from_env(env: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, text in env.items():
        if not variable.startswith(PREFIX) or variable in OTHER_VARIABLES:
            continue
        key = variable[len(PREFIX) :].lower()
        if key.startswith("folders_"):
            values.setdefault("folders", {})[key[len("folders_") :]] = text
        else:
            values[key] = text
    return values


def _explain(error: Any, origin: Mapping[str, str]) -> str:
    """One line: where, which key, what is wrong, what is near."""
    keys = [str(part) for part in error["loc"]]
    where = origin.get(keys[0], "settings")
    name = ".".join(keys)
    if where == "environment":
        name = PREFIX + "_".join(keys).upper()
    elif where == "command line":
        name = "--" + "-".join(keys).replace("_", "-")
    if error["type"] == "extra_forbidden":
        known = Folders.model_fields if len(keys) > 1 else Config.model_fields
        near = difflib.get_close_matches(keys[-1].lower().replace("-", "_"), known, n=1, cutoff=0.5)
        hint = f"did you mean {'.'.join([*keys[:-1], near[0]])}?" if near else f"known: {', '.join(known)}"
        return f"{where}: unknown key {name}; {hint}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {name}: {message[0].lower()}{message[1:]} (it is {error['input']!r})"
