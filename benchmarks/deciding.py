"""How long it takes to fit, to calibrate and to decide, once pictures are vectors.

    python benchmarks/deciding.py [--classes 100] [--references 100] [--dim 512] [--arrivals 100000]

Vectors are drawn at random around class centres; arrivals are decided in batches as a sort does it.
"""

import argparse
import time

import numpy as np

from refsort.decide import Rule, make_judge
from refsort.sorting.one_pass import DECIDE_BATCH


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--references", type=int, default=100)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--arrivals", type=int, default=100_000)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(args.classes, args.dim))
    labels = np.repeat(np.arange(args.classes), args.references)

    def around(rows: np.ndarray) -> np.ndarray:
        vectors = centres[rows] + 2 * rng.normal(size=(len(rows), args.dim))
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)

    references, arrivals = around(labels), around(rng.integers(0, args.classes, args.arrivals))
    names = [f"class {number}" for number in range(args.classes)]
    for _ in range(2):
        begun = time.perf_counter()
        judge = make_judge("lda", references, labels, names, Rule())
        print(f"fit and calibrate: {time.perf_counter() - begun:.2f} s")
    begun = time.perf_counter()
    for start in range(0, args.arrivals, DECIDE_BATCH):
        judge.decide(arrivals[start : start + DECIDE_BATCH])
    rate = args.arrivals / (time.perf_counter() - begun)
    print(f"decisions: {rate:,.0f} a second, {60 * rate:,.0f} a minute")


if __name__ == "__main__":
    main()
