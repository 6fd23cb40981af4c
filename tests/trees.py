"""Trees of files in, trees of files out, and the one invariant: no bytes are ever lost or doubled."""

import hashlib
import os
from collections import Counter
from pathlib import Path

Tree = dict[str, "bytes | Tree"]


def make(root: Path, tree: Tree) -> Path:
    """Write a tree of files: bytes are files, dicts are folders."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in tree.items():
        if isinstance(content, bytes):
            (root / name).write_bytes(content)
        else:
            make(root / name, content)
    return root


def read(root: Path) -> Tree:
    """The tree below a folder; `.refsort` and empty folders are left out."""
    tree: Tree = {}
    for path in sorted(root.iterdir()):
        if path.name == ".refsort":
            continue
        if path.is_dir() and not path.is_symlink():
            if inner := read(path):
                tree[path.name] = inner
        else:
            tree[path.name] = path.read_bytes()
    return tree


def contents(*roots: Path) -> Counter[str]:
    """How often each content occurs below some folders, hidden files included, links and `.refsort` left out."""
    found: Counter[str] = Counter()
    for root in roots:
        for folder, inner, names in os.walk(root):
            inner[:] = [name for name in inner if name != ".refsort"]
            for name in names:
                path = Path(folder) / name
                if path.is_file() and not path.is_symlink():
                    found[hashlib.sha256(path.read_bytes()).hexdigest()] += 1
    return found
