"""Without pyarrow, which only the extra `scale` brings, there is nothing to test here."""

from importlib.util import find_spec

collect_ignore_glob = ["test_*.py"] if find_spec("pyarrow") is None else []
