"""What a command needs that not everybody has installed."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs_pyarrow() -> Iterator[None]:
    """Around the imports of `refsort.scale`. Raises RefsortError that says what to install."""
    from refsort.errors import RefsortError

    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise RefsortError("this needs pyarrow: 'python3 run.py install scale' adds it") from error
