"""A graph beside PyTorch: in ONNX Runtime, and in OpenVINO where the graph is for that."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .parts import Exported
from .runtimes import Run, in_onnxruntime, in_openvino

# of the largest value: what float32's rounding makes of some hundred layers, and half precision's
BOUNDS = {'float32': 1e-3, 'half': 5e-2}


class Differs(Exception):
    """A graph does not give what the model does."""


def compare(
    part: Exported, path: Path, inputs: dict[str, Tensor], half: bool, runtime: str
) -> list[str]:
    """Runs the graph on every input, in ONNX Runtime and, if it is for that, in OpenVINO.

    Args:
        part: The model in float32.
        path: The graph.
        inputs: Pictures, (1, 3, H, W) in float32, by what they are.
        half: Whether the graph takes float16.
        runtime: What the graph was made for.

    Returns:
        A line for every comparison: the largest difference, in parts of the largest value.

    Raises:
        Differs: A difference is beyond rounding, or a runtime refuses an input.
        ValueError: OpenVINO is asked for, but missing.
    """
    bound = BOUNDS['half' if half else 'float32']
    runs = {'ONNX Runtime': (in_onnxruntime(path), bound)}
    if runtime == 'openvino':
        runs['OpenVINO in float32'] = (in_openvino(path, 'f32'), bound)
        # whose precision on some machines is bfloat16 or float16
        runs['OpenVINO as it comes'] = (in_openvino(path, None), BOUNDS['half'])
    lines = []
    for where, (run, bound) in runs.items():
        for what, image in inputs.items():
            lost = _largest_difference(part, run, image.half() if half else image)
            lines.append(f'{where}, {what}: {lost:.1e}')
            if lost > bound:
                raise Differs(f'{lines[-1]} of the largest value, where {bound:.0e} may be lost')
    return lines


def _largest_difference(part: Exported, run: Run, image: Tensor) -> float:
    """In parts of each result's largest value; infinite where a shape or a number is wrong."""
    with torch.no_grad():
        expected = [result.numpy() for result in part(image.float())]
    try:
        found = run({'image': image.numpy()})
    except Exception as error:  # a runtime raises whatever it meets in a graph of another size
        raise Differs((str(error).strip().splitlines() or [type(error).__name__])[0]) from error
    worst = 0.0
    for one, other in zip(expected, found, strict=True):
        if one.shape != other.shape:
            return float('inf')
        lost = np.abs(one - other.astype(np.float32)).max() / max(np.abs(one).max(), 1e-6)
        worst = max(worst, float(lost)) if np.isfinite(lost) else float('inf')
    return worst
