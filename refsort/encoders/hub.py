"""Where models are found: a folder, or the cache of the Hugging Face hub, into which what is missing is fetched.

Imports nothing heavy before something is fetched. Only safetensors weights are accepted, never pickles.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import re
import ssl
import threading
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath

from refsort.errors import EncoderError

NEEDED_VERSION = 6
"""Earlier versions of sentence-transformers run code that lies in a local model folder without asking."""

FILES = (".json", ".txt", ".model", ".jinja", ".safetensors")
"""Weights, settings, vocabularies and templates: no pickles and no code."""
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")

PRECISION = "float32, resized by Pillow"
INSTALL = "pip install --upgrade 'refsort[clip]', or use encoder: builtin"
INSTEAD = "Give a folder that holds the model as encoder, or use encoder: builtin"


def first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].strip().rstrip('.')}" if lines else type(error).__name__


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' progress bars and warnings, which nobody at the keyboard can act on, off the terminal."""
    from transformers.utils import logging as transformers_logging

    loggers = [logging.getLogger(name) for name in ("transformers", "sentence_transformers", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    bars = transformers_logging.is_progress_bar_enabled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers_logging.disable_progress_bar()
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            if bars:
                transformers_logging.enable_progress_bar()


def installed() -> bool:
    """Are torch and sentence-transformers there? Looks, but imports nothing."""
    return all(importlib.util.find_spec(module) is not None for module in ("torch", "sentence_transformers"))


def require_installed(name: str) -> None:
    """Raises EncoderError if what the model needs is missing or too old."""
    if not installed():
        raise EncoderError(f"{name} needs torch and sentence-transformers: {INSTALL}")
    version = importlib.metadata.version("sentence-transformers")
    if int(version.split(".")[0]) < NEEDED_VERSION:
        raise EncoderError(f"{name} needs sentence-transformers {NEEDED_VERSION} or newer, not {version}: {INSTALL}")


def find(name: str) -> Path:
    """The folder of a model, fetched if need be. Raises EncoderError."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", name):
        raise EncoderError(f"encoder: {name} is neither a folder nor the name of a model")
    return cached(name) or fetch(name)


def hub_id(name: str) -> str:
    """owner/model; a name without an owner is read as sentence-transformers itself reads it."""
    return name if "/" in name else f"sentence-transformers/{name}"


def cache_root() -> Path:
    """Where sentence-transformers and huggingface_hub keep what they fetch, found as they find it."""
    home = os.environ.get("HF_HOME") or os.environ.get("XDG_CACHE_HOME", "~/.cache") + "/huggingface"
    keys = ("SENTENCE_TRANSFORMERS_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
    root = next((os.environ[key] for key in keys if os.environ.get(key)), f"{home}/hub")
    return Path(os.path.expandvars(root)).expanduser()


def cached(name: str) -> Path | None:
    """The snapshot of a model in the hub's cache if all its weights are there; imports and asks nothing."""
    model = cache_root() / f"models--{hub_id(name).replace('/', '--')}"
    try:
        folder = model / "snapshots" / (model / "refs" / "main").read_text("ascii").strip()
        check_weights(name, folder)
        for index in folder.rglob("*.safetensors.index.json"):  # large weights come in several files
            shards = json.loads(index.read_text("utf-8"))["weight_map"].values()
            if not all((index.parent / shard).is_file() for shard in shards):
                return None
    except (OSError, ValueError, LookupError, EncoderError):
        return None
    return folder


def is_cached(name: str) -> bool:
    """Can this model be loaded without the network? Takes milliseconds."""
    return Path(name).expanduser().is_dir() or cached(name) is not None


def endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def can_be_fetched(timeout: float = 3.0) -> bool:
    """Does the hub answer within `timeout` seconds, through the proxy of the environment if there is one?"""
    offline = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    if offline.upper() in {"1", "ON", "YES", "TRUE"}:
        return False
    answered = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(endpoint(), method="HEAD"), timeout=timeout).close()
        except (OSError, ValueError) as error:
            # The download brings its own list of certificates, which Python on macOS often lacks.
            stranger = isinstance(getattr(error, "reason", None), ssl.SSLError)
            if not stranger and not 400 <= getattr(error, "code", 0) < 500:
                return
        answered.set()

    # In a thread of its own, because looking up a host's name can outlast any timeout.
    threading.Thread(target=ask, daemon=True).start()
    return answered.wait(timeout)


def fetch(name: str) -> Path:
    """Fetch a model from the hub into its cache: about 600 MB for clip-ViT-B-32. Raises EncoderError."""
    if not can_be_fetched():
        raise EncoderError(f"{name} is not on this machine and {endpoint()} can't be reached.\n{INSTEAD}")
    try:
        with quiet():
            from huggingface_hub import snapshot_download

            wanted = [f"*{ending}" for ending in FILES]
            return Path(
                snapshot_download(hub_id(name), cache_dir=cache_root(), endpoint=endpoint(), allow_patterns=wanted)
            )
    except Exception as error:  # whatever the library raises, the model did not come
        why = first_line(error.__cause__ or error)
        raise EncoderError(f"{name} could not be fetched from {endpoint()}: {why}.\n{INSTEAD}") from error


def model_files(folder: Path, endings: tuple[str, ...] = FILES) -> list[Path]:
    """The files that make the model what it is, in the order of their names.

    They lie in the folder itself and in the folders of its modules, which modules.json names.
    """
    listing = folder / "modules.json"
    modules = json.loads(listing.read_text("utf-8")) if listing.is_file() else []
    found = set(folder.iterdir())
    for path in {module["path"] for module in modules} - {"", "."}:
        if PureWindowsPath(path).anchor or ".." in PureWindowsPath(path).parts:
            raise ValueError(f"modules.json names {path!r}, which is not inside the folder")
        found.update((folder / path).rglob("*"))
    return sorted((path for path in found if path.name.endswith(endings) and path.is_file()), key=Path.as_posix)


def check_weights(name: str, folder: Path) -> None:
    """Raises EncoderError if the model's weights are missing, or come as pickles, which can run code when read."""
    try:
        safe = {path.parent for path in model_files(folder, (".safetensors",))}
        pickles = [path for path in model_files(folder, PICKLES) if path.parent not in safe]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise EncoderError(f"{name}: {folder} can't be read as a model ({first_line(error)})") from error
    if pickles:
        again = "Save the model again: SentenceTransformer(FOLDER).save_pretrained(NEW_FOLDER)"
        raise EncoderError(f"{name}: {pickles[0]} can run code when read, so only safetensors are read.\n{again}")
    if not safe:
        raise EncoderError(f"{name}: {folder} holds no weights (model.safetensors)")


def fingerprint(folder: Path) -> str:
    """The identity of weights, settings and precision; the same wherever the folder lies."""
    total = hashlib.sha256(PRECISION.encode())
    for path in model_files(folder):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"\n{path.relative_to(folder).as_posix()} {content}".encode())
    return f"st-{total.hexdigest()[:16]}"
