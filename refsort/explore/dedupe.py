"""The same picture twice: the same bytes, or saved again, resized, a little cropped, brightened, turned or mirrored.

Two pictures are near duplicates if two measures agree: the correlation of their grey values at 32 × 32 pixels, aligned
for crops, in any of the eight ways to lay a picture; and the cosine of their vectors. Only what the pixels propose is
embedded.

Measured with `builtin` on 2,155 photographs of six sets (about 200 pixels wide; 2.3 million pairs of different
pictures) and 120 of them changed in nine ways. Found: saved at quality 40 and half again as large 100 %, darker by 30 %
100 %, brighter by 30 % 98 %, half as large 95 %, 5 % cropped evenly 97 % and off one corner 81 %, mirrored 95 %, turned
by a quarter 92 %. Wrongly paired: 16, of which 15 are photographs of the same few coins on the same table, and one is
of two screws. In such a series a look at the page before --move is worth it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from refsort.config import Config
from refsort.decide.alike import aligned, alike, stars
from refsort.decide.base import Floats, Labels
from refsort.errors import BadPicture
from refsort.explore.duplicates import Duplicates, Looked, Same
from refsort.explore.sketch import Sketch
from refsort.explore.source import Source, pictures
from refsort.files.dataset import Dataset
from refsort.files.groups import RAW_SUFFIXES, split
from refsort.files.journal import Journal
from refsort.images import read_picture
from refsort.names import from_bytes
from refsort.sorting.embedding import Embedded
from refsort.sorting.events import Reporter
from refsort.sorting.prepared import embedding

CANDIDATE = 0.7
"""Least correlation, not aligned, of two pictures that lie the same way to be looked at more closely."""
PIXELS, PIXELS_COSINE = 0.975, 0.75
"""Either the pixels are nearly the same, and the vectors do not speak against it,"""
VECTORS_PIXELS, VECTORS = 0.94, 0.93
"""or the vectors are, and the pixels do not speak against it. Both by the aligned correlation."""
UNALIGNED = 0.9
"""Where the vectors differ by more than VECTORS no crop is looked for below this."""
TURNED, TURNED_COSINE = 0.98, 0.6
"""Turned or mirrored, not aligned; vectors know which way is up, so less is asked of them."""
PAIRS_AT_ONCE = 4096
BLURRED = 0.8
"""Measured on 120 photographs: enlarged from half the size or blurred by a pixel loses 0.9 to 2.9; saved at quality 75
or brighter by 30 % changes it by -0.25 to 0.6, saved at quality 40 by -0.9 to 0."""
SHARP_SIDE = 512
"""Pixels at which sharpness is compared."""


def find_duplicates(
    config: Config, source: Source, reporter: Reporter, *, exact: bool = False, journal: Journal | None = None
) -> Duplicates:
    """Groups of one picture each, those with most to gain first. `exact`: of the same bytes only. Nothing is moved.

    `journal`: what refsort itself has copied or linked is no duplicate.
    """
    result = Duplicates(source.dataset.name)
    paths = _paths(source.dataset, journal)
    result.looked_at = len(paths)
    files: list[Looked] = []
    sketches: list[Floats] = []
    inodes: set[tuple[int, int]] = set()
    reporter.stage("pictures", len(paths))
    with embedding(config, source.dataset, Sketch()) as embedder:
        for found in embedder.stream(paths):
            reporter.step()
            if found.vector is None:
                result.unreadable += found.state in ("bad", "unreadable")
            elif found.stat is not None and (found.stat.dev, found.stat.ino) not in inodes:
                inodes.add((found.stat.dev, found.stat.ino))  # Hard links are one file under two names.
                files.append(Looked(found.path, found.stat, found.sha256))
                sketches.append(found.vector)
    result.groups = _group(config, source, files, np.asarray(sketches, dtype=np.float32), reporter, exact=exact)
    result.groups.sort(key=lambda group: (-sum(other.stat.size for other in group.others), group.kept.path))
    return result


def _paths(dataset: Dataset, journal: Journal | None) -> list[str]:
    made: set[str] = set()
    if journal is not None:
        rows = journal.rows("SELECT target FROM moves WHERE action IN ('copy', 'hardlink') AND state='done'")
        made = {from_bytes(row["target"]) for row in rows}
    put_aside = f"{dataset.names.duplicates}/"
    return [path for path in pictures(dataset, None) if not path.startswith(put_aside) and path not in made]


def _group(
    config: Config, source: Source, files: list[Looked], sketches: Floats, reporter: Reporter, *, exact: bool
) -> list[Same]:
    """Stars around the best of each group."""
    same: dict[bytes, list[int]] = defaultdict(list)
    for number, file in enumerate(files):
        same[file.sha256].append(number)
    neighbours: dict[int, set[int]] = defaultdict(set)
    for numbers in same.values():
        for number in numbers if len(numbers) > 1 else ():
            neighbours[number].update(numbers)
    near: dict[tuple[int, int], tuple[float, float]] = {}
    if not exact and len(files) > 1:
        contents = [numbers[0] for numbers in same.values()]
        for first, second, correlation, cosine in _near_pairs(source, files, contents, sketches, reporter):
            for one in same[files[first].sha256]:
                for other in same[files[second].sha256]:
                    neighbours[one].add(other)
                    neighbours[other].add(one)
                    near[min(one, other), max(one, other)] = correlation, cosine
    order = [number for number in neighbours if len(neighbours[number]) > 0]
    reporter.stage("qualities", len(order))
    for number in order:
        _look_closely(config, source.dataset, files[number])
        reporter.step()
    for number in order:
        file = files[number]
        rivals = [files[other] for other in neighbours[number] if _of_one_size(file, files[other])]
        file.blurred = any(file.sharpness < rival.sharpness - BLURRED for rival in rivals)
    order.sort(key=lambda number: files[number].rank())
    groups = []
    for best, *others in stars(order, neighbours):
        for other in others:
            if pair := near.get((min(best, other), max(best, other))):
                files[other].kind = "near"
                files[other].correlation, files[other].cosine = pair
        groups.append(Same(files[best], [files[other] for other in others]))
    return groups


def _of_one_size(one: Looked, other: Looked) -> bool:
    """Whether sharpness tells them apart: a reduced picture always looks sharper, pixel by pixel."""
    return 0.9 < one.width * one.height / max(other.width * other.height, 1) < 1.1


def _near_pairs(
    source: Source, files: list[Looked], contents: list[int], sketches: Floats, reporter: Reporter
) -> Iterator[tuple[int, int, float, float]]:
    """(file, file, correlation, cosine) of different contents that both measures call one picture."""
    shown = np.asarray([number for number in contents if not sketches[number, -1]], dtype=np.intp)
    vectors: dict[int, Floats] = {}
    for pairs, correlations, lays in alike(sketches[shown, :-1], CANDIDATE, TURNED):
        pairs = shown[pairs]
        for start in range(0, len(pairs), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            missing = sorted(set(pairs[part].ravel().tolist()) - vectors.keys())
            _embed(source, files, missing, vectors, reporter)
            yield from _agreed(pairs[part], correlations[part], lays[part], sketches, vectors)


def _agreed(
    pairs: Labels, correlations: Floats, lays: Labels, sketches: Floats, vectors: dict[int, Floats]
) -> Iterator[tuple[int, int, float, float]]:
    """Of the candidates, those whose vectors agree, and whose pixels do when they are aligned."""
    known = [one in vectors and other in vectors for one, other in pairs.tolist()]
    pairs, correlations, lays = pairs[known], correlations[known], lays[known]
    cosines = np.asarray([vectors[one] @ vectors[other] for one, other in pairs.tolist()], dtype=np.float32)
    close = (cosines >= VECTORS) | ((cosines >= PIXELS_COSINE) & (correlations >= UNALIGNED))
    upright = (lays == 0) & close
    first, second = pairs[upright].T if upright.any() else (np.empty(0, dtype=np.intp),) * 2
    correlations = correlations.copy()
    correlations[upright] = aligned(sketches[first, :-1], sketches[second, :-1])
    same = (correlations >= PIXELS) | ((correlations >= VECTORS_PIXELS) & (cosines >= VECTORS))
    agreed = (upright & same) | ((lays != 0) & (cosines >= TURNED_COSINE))
    for (one, other), correlation, cosine in zip(
        pairs[agreed].tolist(), correlations[agreed].tolist(), cosines[agreed].tolist(), strict=True
    ):
        yield one, other, min(correlation, 1.0), min(cosine, 1.0)


def _embed(
    source: Source, files: list[Looked], numbers: Sequence[int], vectors: dict[int, Floats], reporter: Reporter
) -> None:
    reporter.stage("candidates", len(numbers))
    streamed: Iterator[Embedded] = source.embedder.stream(files[number].path for number in numbers)
    for number, found in zip(numbers, streamed, strict=True):
        reporter.step()
        if found.vector is not None and found.sha256 == files[number].sha256:
            vectors[number] = found.vector


def _look_closely(config: Config, dataset: Dataset, file: Looked) -> None:
    """Size in pixels, sharpness, and what speaks for keeping it whatever it looks like."""
    file.reference = file.path.startswith(f"{dataset.names.references}/")
    stem = split(PurePosixPath(file.path).name)[0]
    folder = dataset.path(file.path).parent
    file.raw = any((folder / f"{stem}{suffix}").exists() for s in RAW_SUFFIXES for suffix in (s, s.upper()))
    try:
        rgb = read_picture(dataset.path(file.path).read_bytes(), side=None, max_pixels=config.max_pixels)
    except (OSError, BadPicture):
        return
    file.height, file.width = rgb.shape[:2]
    file.sharpness = sharpness(rgb)


def sharpness(rgb: Any) -> float:
    """How steep the steepest 0.5 % of the edges are (Laplacian of the grey values, at most SHARP_SIDE pixels) against
    the contrast of the whole; logarithm to the base of 2. Noise and the blocks of JPEG are no steep edges.
    """
    from PIL import Image

    image = Image.fromarray(rgb).convert("L")
    image.thumbnail((SHARP_SIDE, SHARP_SIDE))
    grey = np.asarray(image, dtype=np.float32)
    if min(grey.shape) < 3 or not grey.std():
        return 0.0
    edges = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    return float(np.log2(1e-3 + np.percentile(np.abs(edges), 99.5) / grey.std()))
