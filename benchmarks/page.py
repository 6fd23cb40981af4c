"""How the web page feels: first paint, and a dry run of many pictures scrolled in a real browser.

    python3 -m benchmarks.page                    50,000 pictures
    python3 -m benchmarks.page --pictures 10000

The pictures are small JPEGs, all different; their vectors are put into the dataset's cache beforehand, so that what is
measured is the page and not the encoder. Needs Playwright and the system's Chromium.
"""

import argparse
import io
import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from refsort.config import Config
from refsort.encoders import load
from refsort.files.cache import Cache
from refsort.files.dataset import Dataset
from refsort.files.identity import hash_file, look
from refsort.images import READING
from tests.app.served import Served, served
from tests.learn.discs import make_discs

SCROLL = """async () => {
  const grid = document.querySelector('.rs-window'), times = [];
  const steps = 240, jump = (grid.scrollHeight - grid.clientHeight) / steps;
  for (let step = 0; step < steps; step += 1) {
    const begun = performance.now();
    grid.scrollTop = step * jump;
    await new Promise(requestAnimationFrame);
    grid.getBoundingClientRect();
    times.push(performance.now() - begun);
  }
  times.sort((a, b) => a - b);
  const cells = document.querySelectorAll('.rs-cell').length;
  return {p50: times[steps / 2], p99: times[Math.floor(steps * 0.99)], cells};
}"""


def make(root: Path, pictures: int) -> None:
    """A dataset of discs with so many arrivals, their vectors known."""
    dataset = make_discs(root, references=10, arrivals=0)
    encoder = load("builtin")
    cache = Cache(dataset.state / "cache.db", f"{encoder.fingerprint}/{READING}", limit=2 * pictures)
    config = Config(dataset=root.name, data_dir=root.parent, encoder="builtin")
    middles = _middles(config, dataset)
    rng = np.random.default_rng(0)
    for number in range(pictures):
        path = dataset.path(f"Images/{number % 100:02}/p{number:06}.jpg")
        path.parent.mkdir(exist_ok=True)
        buffer = io.BytesIO()
        Image.new("RGB", (120, 90), tuple(int(v) for v in rng.integers(0, 255, 3))).save(buffer, "JPEG", quality=60)
        path.write_bytes(buffer.getvalue() + number.to_bytes(4, "big"))
        vector = middles[number % len(middles)] + 0.03 * rng.standard_normal(encoder.dim)
        stat = look(path)
        assert stat is not None
        cache.put(dataset.relative(path), stat, hash_file(path), (vector / np.linalg.norm(vector)).astype(np.float32))
    cache.flush()
    cache.close()


def _middles(config: Config, dataset: Dataset) -> list[np.ndarray]:
    from refsort.sorting import Reporters
    from refsort.sorting.prepared import prepare

    with prepare(config, dataset, Reporters()) as prepared:
        references = prepared.references
        return [references.vectors[references.labels == label].mean(axis=0) for label in range(len(references.classes))]


def say(what: str, **values: object) -> None:
    print(json.dumps({"what": what, **values}), flush=True)


def paint(page: Served, browser: object) -> None:
    """Milliseconds to the first button that can be pressed: cold, then from a warm browser."""
    context = browser.new_context()  # type: ignore[attr-defined]
    times = []
    for _ in range(6):
        tab = context.new_page()
        begun = time.perf_counter()
        tab.goto(f"{page.address}/en/")
        tab.wait_for_selector(".rs-button")
        times.append(round(1000 * (time.perf_counter() - begun)))
        tab.close()
    say("first usable paint, ms", cold=times[0], warm=sorted(times[1:]))
    context.close()


def scroll(page: Served, browser: object) -> None:
    context = browser.new_context()  # type: ignore[attr-defined]
    tab = context.new_page()
    tab.goto(f"{page.address}/en/")
    begun = time.perf_counter()
    tab.get_by_role("button", name="Look").click()
    tab.wait_for_selector(".rs-cell", timeout=600_000)
    say("dry run to the first picture on the page, s", seconds=round(time.perf_counter() - begun, 1))
    begun = time.perf_counter()
    tab.reload()
    tab.wait_for_selector(".rs-cell")
    say("the page again with this dry run, s", seconds=round(time.perf_counter() - begun, 2))
    found = tab.evaluate(SCROLL)
    say("one step of scrolling, ms", **{key: round(value, 1) for key, value in found.items()})
    tab.evaluate("document.querySelector('.rs-window').scrollTop = 0")
    begun = time.perf_counter()
    tab.locator(".rs-section input").first.click()
    tab.wait_for_selector(".rs-cell.off")
    say("a whole class left out, ms", ms=round(1000 * (time.perf_counter() - begun)))
    context.close()


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=50_000)
    args = parser.parse_args()
    chromium = shutil.which("chromium")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        make(Path(scratch, "Discos"), args.pictures)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-quic"])
        with served(Path(scratch), "Discos", "--encoder", "builtin", "--cache-limit", "1000000") as page:
            say("pictures", number=args.pictures)
            paint(page, browser)
            scroll(page, browser)
        browser.close()


if __name__ == "__main__":
    main()
