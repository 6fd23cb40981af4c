"""Figures of a running daemon for Prometheus, on this machine only unless another address is given."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from refsort.errors import ConfigError
from refsort.sorting import Item, Reporters
from refsort.watch.status import Status

LOOPBACK = "127.0.0.1"
KINDS = ("sorted", "unsure", "unknown", "bad", "failed")
SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Bounds of the histogram's buckets: one picture with the built-in encoder to a full batch with a large one."""


class Metrics(Reporters):
    """A reporter that counts, and a server that tells the counts."""

    def __init__(self, address: str) -> None:
        """`address` as in `place`. Raises ConfigError if it is none, or if prometheus_client is not installed."""
        super().__init__()
        self.host, self.port = place(address)
        try:
            from prometheus_client import CollectorRegistry, Counter, Histogram
        except ImportError:
            raise ConfigError("--metrics needs the package prometheus-client: pip install prometheus-client") from None
        self.registry = CollectorRegistry()
        self.pictures = Counter(
            "refsort_pictures", "Pictures dealt with", ["kind", "class"], registry=self.registry
        )  # Prometheus appends _total.
        self.seconds = Histogram(
            "refsort_batch_seconds", "Time for a batch", ["stage"], buckets=SECONDS, registry=self.registry
        )
        for stage in ("encode", "decide"):
            self.seconds.labels(stage)

    @contextmanager
    def served(self, status: Callable[[], Status]) -> Iterator[None]:
        """Serve until the block ends. Raises ConfigError if the address can't be had."""
        from prometheus_client import Gauge, start_http_server

        def gauge(name: str, words: str, value: Callable[[], float]) -> None:
            Gauge(f"refsort_{name}", words, registry=self.registry).set_function(value)

        gauge("queue", "Files that lie there and are not dealt with yet", lambda: status().queue)
        gauge("last_scan_age_seconds", "Seconds since the last scan; NaN before it", lambda: _age(status()))
        gauge("drift", "In how many respects arrivals are not as foretold", lambda: len(status().drift))
        gauge("trouble", "1 while something keeps the daemon from its work", lambda: status().error is not None)
        try:
            server, thread = start_http_server(self.port, self.host, registry=self.registry)
        except (OSError, OverflowError) as error:
            raise ConfigError(f"--metrics: {self.host} port {self.port} can't be had: {error}") from None
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def observe(self, stage: str, seconds: float) -> None:
        """How long a batch took."""
        self.seconds.labels(stage).observe(seconds)

    # -- a Reporter

    def item(self, item: Item) -> None:
        if item.kind in KINDS:
            self.pictures.labels(item.kind, item.decision.class_name if item.decision else "").inc()


def place(address: str) -> tuple[str, int]:
    """`9108`, `0.0.0.0:9108` or `[::1]:9108` → host and port; the host is loopback if none is given."""
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
        raise ConfigError(f"--metrics: {address!r} is no port and no host:port, like 9108 or 0.0.0.0:9108")
    return host.removeprefix("[").removesuffix("]") or LOOPBACK, int(port)


def _age(status: Status) -> float:
    if status.last_scan is None:
        return float("nan")
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(status.last_scan)).total_seconds())
