"""ONNX files in the runtimes that run them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

#: From the graph's inputs, by name, to its results.
Run = Callable[[dict[str, np.ndarray]], list[np.ndarray]]


def in_onnxruntime(path: Path, threads: int = 0) -> Run:
    """The graph in ONNX Runtime on the CPU, by as many threads as it takes by itself where 0."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, ['CPUExecutionProvider'])
    return lambda inputs: session.run(None, inputs)


def in_openvino(path: Path, precision: str | None, threads: int = 0) -> Run:
    """The graph in OpenVINO on the CPU.

    Args:
        path: The ONNX file.
        precision: 'f32', or None for what OpenVINO takes on this machine.
        threads: As many as it takes by itself where 0.

    Raises:
        ValueError: OpenVINO is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise ValueError('OpenVINO is missing: pip install openvino.') from error
    options = {'INFERENCE_PRECISION_HINT': precision, 'INFERENCE_NUM_THREADS': threads}
    options = {name: value for name, value in options.items() if value}
    compiled = openvino.compile_model(str(path), 'CPU', options)
    return lambda inputs: list(compiled(inputs).values())
