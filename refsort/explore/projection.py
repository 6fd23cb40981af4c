"""From vectors to a flat map: PCA, t-SNE or UMAP; phrases are placed among the pictures they fit.

Pictures are laid out alone and phrases put into the finished map, so a phrase more or less moves nothing else.
Every step depends on the vectors and the seed only: the same input gives the same map in every process of a machine.
"""

import warnings
from collections import defaultdict
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from refsort.errors import ConfigError

Floats = NDArray[np.float32]
Method = Literal["pca", "tsne", "umap"]

COMPONENTS = 50
"""Principal components that t-SNE and UMAP get: as van der Maaten & Hinton (2008, section 4.2) advise for 30 to 50."""
PERPLEXITY = 30.0
NEIGHBOURS = 15
"""UMAP's default: how many pictures count as the neighbourhood of one."""
LEAST = 5
"""With fewer points t-SNE and UMAP have no neighbourhoods to keep; PCA takes their place."""
EXACT = 1024
"""Dimensions up to which PCA goes through the covariance matrix (d x d) rather than the vectors' own (n x n)."""
AMONG = 10
"""A phrase lies at the median of so many pictures, those nearest to it."""
SPREAD = 0.006
"""Distance of equal pictures on the map, as a share of half its width."""
NO_SPREAD = 1e-6
"""Vectors (of length one) that vary less than this from their mean are the same."""


@dataclass(frozen=True, slots=True)
class Projection:
    """Points float32[n, 2] and texts float32[m, 2] within -1..1, the longer axis filled."""

    points: Floats
    texts: Floats
    method: Method
    """What was used: PCA where there are too few points for the one asked for."""
    explained: tuple[float, float] | None
    """Share of the variance on the two axes of PCA."""


def require(method: Method) -> None:
    """Raise ConfigError if what a method needs is not installed."""
    missing = {"tsne": "sklearn", "umap": "umap"}.get(method)
    if missing and find_spec(missing) is None:
        raise ConfigError(f"--method {method} needs more: 'python3 run.py install map' adds it, or use --method pca")


def project(images: Floats, texts: Floats, method: Method, seed: int = 0) -> Projection:
    """Lay out unit vectors float32[n, d] and float32[m, d] of one space on a plane.

    Without pictures the phrases are laid out by themselves. Raises ConfigError.
    """
    require(method)
    if not len(images):
        if not len(texts):
            empty = np.zeros((0, 2), np.float32)
            return Projection(empty, empty, "pca", None)
        alone = project(texts, texts[:0], method, seed)
        return Projection(alone.texts, alone.points, alone.method, alone.explained)
    middle = images.mean(axis=0)
    axes, shares = principal_axes(images - middle, COMPONENTS)
    scores = (images - middle) @ axes.T
    if len(images) < LEAST or not len(axes):
        method = "pca"
    flat = _plane(scores) if method == "pca" else _neighbours(scores, method, seed)
    placed = _place(flat, images, texts)
    points, placed = _fit(flat, placed)
    two = (*(float(share) for share in shares[:2]), 0.0, 0.0)
    return Projection(spread_equal(points), placed, method, (two[0], two[1]) if method == "pca" else None)


def principal_axes(centred: Floats, most: int) -> tuple[Floats, NDArray[np.float64]]:
    """The first principal axes float32[k, d] of rows with mean zero, and each one's share of the variance.

    Signs are fixed (the largest loading is positive), so a map never comes out mirrored. k is 0 if nothing varies.
    """
    n, d = centred.shape
    wide = np.asarray(centred, dtype=np.float64)
    total = float((wide**2).sum())
    if total <= NO_SPREAD**2 * n:
        return np.zeros((0, d), np.float32), np.zeros(0)
    if d <= max(n, EXACT):
        variances, vectors = np.linalg.eigh(wide.T @ wide)
        axes = vectors.T[::-1]
    else:
        variances, vectors = np.linalg.eigh(wide @ wide.T)
        keep = variances > total * 1e-12
        axes = (vectors[:, keep].T @ wide)[::-1]
        axes /= np.linalg.norm(axes, axis=1, keepdims=True)
        variances = variances[keep]
    shares = variances[::-1] / total
    real = min(most, int((shares > 1e-9).sum()))
    axes, shares = axes[:real], shares[:real]
    largest = axes[np.arange(real), np.abs(axes).argmax(axis=1)]
    return (axes * np.sign(largest)[:, None]).astype(np.float32), shares


def _plane(scores: Floats) -> Floats:
    """The first two columns, with zeros where there are fewer."""
    return np.pad(scores[:, :2], ((0, 0), (0, max(0, 2 - scores.shape[1]))))


def _neighbours(scores: Floats, method: Method, seed: int) -> Floats:
    """t-SNE or UMAP of the principal components, begun from PCA (Kobak & Linderman 2021: it keeps the large order)."""
    n = len(scores)
    unit = scores / np.maximum(np.linalg.norm(scores, axis=1, keepdims=True), 1e-12)
    start = _plane(scores)
    start = start / max(float(start[:, 0].std()), 1e-12)
    # Equal points would be pushed nowhere.
    start = start + np.random.default_rng(seed).normal(scale=1e-3, size=start.shape).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both tell of their own inner choices
        if method == "tsne":
            return _tsne(unit, start, min(PERPLEXITY, (n - 1) / 3), seed)
        from umap import UMAP

        neighbours = min(NEIGHBOURS, n - 1)
        made = UMAP(n_neighbors=neighbours, init=start * 10, random_state=seed, n_jobs=1).fit_transform(unit)
        return np.nan_to_num(np.asarray(made, dtype=np.float32))


def _tsne(unit: Floats, start: Floats, perplexity: float, seed: int) -> Floats:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    # Sums by several threads come in any order, and t-SNE makes a different map of the last digit.
    with threadpool_limits(1):
        made = TSNE(perplexity=perplexity, init=start * 1e-4, learning_rate="auto", random_state=seed).fit_transform(
            unit
        )
    return np.asarray(made, dtype=np.float32)


def _place(flat: Floats, images: Floats, texts: Floats) -> Floats:
    """Where phrases lie: at the median of the pictures that a search for each would find first.

    Pictures and phrases of one space lie in two cones apart (the modality gap: Liang et al. 2022); laid out together
    they would make two heaps. The gap adds nearly the same to every cosine between the two, so the order of the
    pictures stands. Phrases are not centred: their mean holds what they have in common, and of true CLIP vectors (a
    thousand products of 85 kinds) two captions of one kind would find 12 % of their kind among their nearest pictures
    instead of 79 %. So a phrase's place depends on nothing but itself and the pictures.
    """
    if not len(texts):
        return np.zeros((0, 2), np.float32)
    among = min(max(len(images) // 20, 1), AMONG)
    nearest = np.argsort(-(texts @ images.T), axis=1, kind="stable")[:, :among]
    return np.asarray(np.median(flat[nearest], axis=1), dtype=np.float32)


def _fit(flat: Floats, texts: Floats) -> tuple[Floats, Floats]:
    """Both moved and scaled alike until the pictures fill -1..1; phrases beyond them are drawn in to the frame."""
    low, high = flat.min(axis=0), flat.max(axis=0)
    centre, half = (low + high) / 2, max(float((high - low).max()) / 2, 1e-12)
    if float((high - low).max()) <= NO_SPREAD:
        return np.zeros_like(flat, dtype=np.float32), np.zeros_like(texts, dtype=np.float32)
    return ((flat - centre) / half).astype(np.float32), np.clip((texts - centre) / half, -1, 1).astype(np.float32)


def spread_equal(points: Floats) -> Floats:
    """Points that share a place laid around it (a sunflower: Vogel 1979), the first one staying; nothing is hidden."""
    places: defaultdict[bytes, list[int]] = defaultdict(list)
    for index, place in enumerate(np.round(points, 5) + 0.0):
        places[place.tobytes()].append(index)
    made = points.copy()
    for members in places.values():
        if len(members) > 1:
            turn = np.arange(len(members)) * np.pi * (3 - np.sqrt(5))
            away = SPREAD * np.sqrt(np.arange(len(members)))
            made[members] += np.column_stack([np.cos(turn), np.sin(turn)]) * away[:, None]
    largest = float(np.abs(made).max(initial=0.0))
    return np.asarray(made / max(largest, 1.0), dtype=np.float32)
