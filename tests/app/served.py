"""The page as a person starts it: a process of its own, on a port of its own, on a copy of a small dataset."""

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]


class Served:
    """A running page."""

    def __init__(self, process: subprocess.Popen[str], address: str, root: Path, scratch: Path) -> None:
        self.process, self.root, self.dataset, self.scratch = process, root, root.name, scratch
        self.address = address.partition("?")[0].rstrip("/")
        self.whole = address
        """With the token, if there is one."""
        self.told: list[str] = []

    def request(
        self, path: str, body: object = None, headers: dict[str, str] | None = None, data: bytes | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body); redirects are not followed."""
        sent = {"x-refsort": "1", **(headers or {})}
        if body is not None:
            data, sent["content-type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(self.address + path, data, sent)
        try:
            with urllib.request.build_opener(_Stay).open(request, timeout=60) as answer:
                return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()

    def api(self, path: str, body: object = None) -> Any:
        """JSON of /refsort/api/<dataset>/<path>; a body makes it a POST. Fails on any status but 200."""
        status, _, found = self.request(f"/refsort/api/{quote(self.dataset)}/{path}", body)
        assert status == 200, (status, found)
        return json.loads(found)

    def ended(self, job: dict[str, Any], seconds: float = 120.0) -> dict[str, Any]:
        """The job when it has ended, well."""
        until = time.monotonic() + seconds
        while job["state"] == "running":
            assert time.monotonic() < until, job
            time.sleep(0.05)
            now = self.api("now")["job"]
            assert now["id"] == job["id"]
            job = now
        assert job["state"] == "done", job
        return job


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


@contextmanager
def served(data_dir: Path, dataset: str, *flags: str, env: dict[str, str] | None = None) -> Iterator[Served]:
    """Start `refsort app` on a dataset; ended as Ctrl-C ends it."""
    command = [sys.executable, "-m", "refsort", "app", "--data-dir", str(data_dir), "--dataset", dataset, "--port", "0"]
    whole = {k: v for k, v in os.environ.items() if not k.startswith("REFSORT_") or k == "REFSORT_CACHE"}
    scratch = data_dir / "scratch"
    scratch.mkdir(exist_ok=True)
    whole |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TMPDIR": str(scratch), **(env or {})}
    process = subprocess.Popen([*command, *flags], stderr=subprocess.PIPE, text=True, env=whole, cwd=data_dir)
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        if found := re.search(r"http://\S+", line):
            break
    else:
        raise AssertionError("".join(told))
    page = Served(process, found.group(), data_dir / dataset, scratch)
    threading.Thread(target=lambda: page.told.extend(process.stderr or ()), daemon=True).start()
    try:
        for _ in range(200):
            try:
                if page.request("/health")[0] == 200:
                    break
            except OSError:
                time.sleep(0.05)
        yield page
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
