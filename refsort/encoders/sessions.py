"""Networks in ONNX Runtime: one picture (or phrase) a run, several runs side by side in threads.

So no vector can depend on its batch. Measured with a ViT-B/32 on two cores: 11.8 pictures a second this way, 5.5 one by
one with both cores on it, 8.9 in batches of 16 with both cores.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from refsort.encoders.base import Floats, cores


def open_session(model: Path | bytes) -> Any:
    """A network, from a file or its bytes, for runs in the calling thread.

    Raises whatever ONNX Runtime raises on a network it can't use.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the calling thread; pictures are spread over threads instead
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def run_each(session: Any, inputs: Sequence[NDArray[Any]], threads: int, output: str | None = None) -> list[Floats]:
    """What comes out for each array, as float32[dim]; the network has one input and gives [1, dim].

    `threads` 0: one per core; `output`: which one, if there are several. At least one array.
    """
    name = session.get_inputs()[0].name

    def one(array: NDArray[Any]) -> Floats:
        return np.asarray(session.run([output] if output else None, {name: array[None]})[0][0], np.float32)

    with ThreadPoolExecutor(min(threads or cores(), len(inputs))) as pool:
        return list(pool.map(one, inputs))
