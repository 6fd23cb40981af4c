"""Vectors to a plane: right, the same every time, and safe with little or odd input."""

import os
import subprocess
import sys

import numpy as np
import pytest

from refsort.errors import ConfigError
from refsort.explore import projection
from refsort.explore.projection import LEAST, Floats, principal_axes, project, spread_equal
from tests.e2e.helpers import ROOT

METHODS = ("pca", "tsne", pytest.param("umap", marks=pytest.mark.slow))
"""UMAP compiles itself at its first use, which takes half a minute."""


def unit(vectors: Floats) -> Floats:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def two_cones(seed: int, classes: int, images: int) -> tuple[Floats, np.ndarray, Floats]:
    """Pictures and one phrase a class, in one space but far apart, as CLIP has them."""
    rng = np.random.default_rng(seed)
    meaning = np.zeros((classes, 64))
    meaning[np.arange(classes), np.arange(classes)] = 0.5
    of_image, of_text = rng.normal(size=(2, 64)) / 4 * (meaning.sum(axis=0) == 0)
    labels = np.repeat(np.arange(classes), images)
    pictures = meaning[labels] + of_image + rng.normal(scale=0.03, size=(len(labels), 64))
    phrases = 0.5 * meaning + of_text + rng.normal(scale=0.02, size=(classes, 64))
    return unit(pictures), labels, unit(phrases)


def installed(method: str) -> None:
    if method != "pca":
        pytest.importorskip({"tsne": "sklearn", "umap": "umap"}[method])


@pytest.mark.parametrize("shape", [(80, 20), (30, 1500)])
def test_axes_and_variance_are_those_of_scikit_learn(shape: tuple[int, int]) -> None:
    """Both ways of finding the axes: more rows than dimensions, and fewer."""
    decomposition = pytest.importorskip("sklearn.decomposition")
    rng = np.random.default_rng(1)
    vectors = unit(rng.normal(size=shape) * np.linspace(3, 0.1, shape[1]))
    theirs = decomposition.PCA(5, svd_solver="full").fit(vectors)
    axes, shares = principal_axes(vectors - vectors.mean(axis=0), 5)
    assert np.allclose(shares, theirs.explained_variance_ratio_, atol=1e-5)
    assert np.allclose(np.abs((axes * theirs.components_).sum(axis=1)), 1, atol=1e-4)
    assert all(axis[np.abs(axis).argmax()] > 0 for axis in axes)
    assert project(vectors, vectors[:0], "pca").explained == pytest.approx(tuple(shares[:2]))


@pytest.mark.parametrize("method", METHODS)
def test_classes_stay_together_and_phrases_lie_among_their_class(method: str) -> None:
    installed(method)
    pictures, labels, phrases = two_cones(0, classes=4, images=30)
    made = project(pictures, phrases, method, seed=3)
    centres = np.array([made.points[labels == label].mean(axis=0) for label in range(4)])
    nearest = lambda points: np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)  # noqa: E731
    assert made.method == method
    assert (nearest(made.points) == labels).mean() > 0.97
    assert nearest(made.texts).tolist() == [0, 1, 2, 3]
    assert np.abs(made.points).max() == pytest.approx(1, abs=1e-5)
    assert np.abs(made.texts).max() <= 1


@pytest.mark.parametrize("method", ["pca", "tsne"])
@pytest.mark.parametrize("company", [[2], [2, 2, 2], [0, 1, 2, 3]], ids=["alone", "of one class", "of all classes"])
def test_phrases_move_nothing_and_lie_with_their_class_in_any_company(method: str, company: list[int]) -> None:
    installed(method)
    pictures, labels, phrases = two_cones(5, classes=4, images=20)
    bare = project(pictures, phrases[:0], method, seed=1)
    alone = project(pictures, phrases[2:3], method, seed=1)
    said = unit(phrases[company] + np.random.default_rng(2).normal(scale=0.005, size=(len(company), 64)))
    made = project(pictures, np.concatenate([phrases[2:3], said]), method, seed=1)
    assert np.array_equal(bare.points, made.points) and np.array_equal(alone.texts[0], made.texts[0])
    nearest = np.linalg.norm(made.points - made.texts[1:, None], axis=2).argmin(axis=1)
    assert labels[nearest].tolist() == company


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5, 8])
def test_few_pictures(method: str, number: int) -> None:
    """Fewer than any neighbourhood or perplexity takes."""
    installed(method)
    vectors = unit(np.random.default_rng(number).normal(size=(number, 16))) if number else np.zeros((0, 16), np.float32)
    phrases = unit(np.random.default_rng(9).normal(size=(3, 16)))
    made = project(vectors, phrases, method)
    assert made.points.shape == (number, 2) and made.texts.shape == (3, 2)
    assert np.isfinite(made.points).all() and np.isfinite(made.texts).all()
    assert made.method == (method if number >= LEAST else "pca")
    assert len(np.unique(made.points, axis=0)) == number


@pytest.mark.parametrize("method", METHODS)
def test_equal_vectors_are_all_visible(method: str) -> None:
    installed(method)
    same = np.tile(unit(np.ones((1, 32))), (40, 1))
    made = project(same, same[:2], method)
    assert made.method == "pca" and made.explained == (0, 0)
    assert len(np.unique(made.points, axis=0)) == 40 and np.isfinite(made.texts).all()


def test_only_what_is_equal_is_spread() -> None:
    points = np.array([[0.5, 0.5], [0.5, 0.5], [-1, 0], [0, 0], [0.5, 0.5]], np.float32)
    made = spread_equal(points)
    assert np.array_equal(made[[0, 2, 3]], points[[0, 2, 3]])
    assert len(np.unique(made, axis=0)) == 5 and np.abs(made - points).max() < 0.02


@pytest.mark.parametrize("method", ["pca", *(pytest.param(name, marks=pytest.mark.slow) for name in ("tsne", "umap"))])
def test_the_same_seed_gives_the_same_map_in_another_process(method: str) -> None:
    installed(method)
    code = (
        "import hashlib, sys; from tests.explore.test_projection import two_cones, project;"
        "v, y, t = two_cones(0, 6, 60); m = project(v, t, sys.argv[1], int(sys.argv[2]));"
        "assert m.method == sys.argv[1];"
        "print(hashlib.sha256(m.points.tobytes() + m.texts.tobytes()).hexdigest())"
    )

    def run(seed: int, threads: int) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, method, str(seed)],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONHASHSEED": str(threads)},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    first = run(7, threads=1)
    assert first == run(7, threads=2) != ""
    assert method == "pca" or first != run(8, threads=1)


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"run.py install map.*--method pca"):
        project(np.eye(8, dtype=np.float32), np.eye(8, dtype=np.float32)[:0], "tsne")
    assert project(np.eye(8, dtype=np.float32), np.eye(8, dtype=np.float32)[:0], "pca").method == "pca"
