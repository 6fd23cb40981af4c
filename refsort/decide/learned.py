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


LEARNED = Learned(  # from 15 sets: clothing, coins, deep_sky, digits, fashion, food10, furniture, gcompris, grocery, landscapes, screws, sign_digits, stamps, textures, trash
    right=np.array(
        [
            0.32415,
            0.28695,
            -0.12182,
            0.20151,
            -0.00735,
            -0.04744,
            0.09431,
            0.11192,
            0.27123,
            -0.00458,
            0.12412,
            -0.05445,
            0.08507,
            0.18869,
            -0.05746,
            0.11195,
            0.05418,
            0.65412,
            0.13943,
        ]
    ),
    known=np.array(
        [
            0.12761,
            -0.11464,
            0.18994,
            0.15739,
            -0.0517,
            0.13735,
            0.12463,
            -0.14577,
            0.21634,
            0.13719,
            0.05292,
            -0.03243,
            0.15725,
            0.06762,
            -0.0299,
            -0.01295,
            -0.10642,
            0.56567,
            0.02609,
        ]
    ),
    final=np.array(
        [0.96592, -0.02473, -0.14684, 0.06855, 0.02989, -0.08303, -0.37984, 0.02064, 0.04079, 0.01655, 0.38484]
    ),
)
