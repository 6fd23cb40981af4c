"""Coefficients learned across labelled sets of photographs; written by tools/learn_confidence.py."""

from dataclasses import dataclass

import numpy as np

from refsort.decide.base import Wide


@dataclass(frozen=True, slots=True)
class Learned:
    """`right` and `known` float64[19] for Traits.design, `final` float64[11] for Confidence.final_design."""

    right: Wide
    known: Wide
    final: Wide


# From 15 sets: clothing, coins, deep_sky, digits, fashion, food10, furniture, gcompris, grocery, landscapes,
# screws, sign_digits, stamps, textures, trash.
LEARNED = Learned(
    right=np.array(
        [
            0.30828,
            0.30552,
            -0.07226,
            0.15692,
            0.00411,
            -0.04036,
            0.10745,
            0.21942,
            0.1946,
            -0.05766,
            0.14197,
            -0.0461,
            0.08106,
            0.17695,
            -0.05711,
            0.11971,
            0.05822,
            0.64168,
            0.20534,
        ]
    ),
    known=np.array(
        [
            0.11822,
            -0.08554,
            0.27726,
            0.08775,
            -0.06765,
            0.07174,
            0.28374,
            -0.05694,
            0.07549,
            0.06481,
            0.08651,
            -0.03228,
            0.15361,
            0.06624,
            -0.02658,
            -0.0889,
            -0.16678,
            0.57174,
            0.22256,
        ]
    ),
    final=np.array(
        [0.95033, 0.06488, -0.07945, 0.04548, -0.01694, -0.19812, -0.31528, -0.02611, 0.04559, 0.01057, 0.44831]
    ),
)
