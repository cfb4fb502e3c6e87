"""Writing an ONNX file by one of PyTorch's exporters."""

import io
import logging
import warnings
from contextlib import contextmanager, redirect_stdout
from inspect import signature
from pathlib import Path

import onnx
import torch
from torch import Tensor

from mmdyup.ops import exported_for

from .parts import Exported


class CannotExport(Exception):
    """PyTorch's exporter cannot write a model."""


EXPORTERS = ('torchscript', 'dynamo')
# tried in this order until one has every operator: what is older runs in more places
OPSETS = {'torchscript': (13, 16, 17, 18, 20), 'dynamo': (18, 20)}
# PyTorch 2.1 knows one exporter
CHOICE = 'dynamo' in signature(torch.onnx.export).parameters


def write_graph(
    part: Exported,
    image: Tensor,
    path: Path,
    names: list[str],
    exporter: str,
    runtime: str,
    any_size: bool,
) -> int:
    """Writes ``part`` to ``path``; the version of ONNX's operators, the opset, that it needs.

    Args:
        part: What to export.
        image: A picture, (1, 3, H, W), in the dtype of the graph.
        path: The ONNX file.
        names: Those of the results.
        exporter: One of ``EXPORTERS``.
        runtime: What :func:`mmdyup.ops.exported_for` takes.
        any_size: Whether height and width may differ from those of ``image``.

    Raises:
        CannotExport: PyTorch's exporter cannot write the graph.
    """
    how = dict(input_names=['image'], output_names=names)
    if CHOICE:
        how['dynamo'] = exporter == 'dynamo'
    if exporter == 'dynamo':
        if not hasattr(getattr(torch.export, 'Dim', None), 'AUTO'):
            raise CannotExport('this exporter needs PyTorch 2.6 or later')
        size = dict.fromkeys((2, 3), torch.export.Dim.AUTO)
        shapes = (size if any_size else None,)
        how |= dict(dynamic_shapes=shapes, external_data=False, verbose=False)
    elif any_size:
        how['dynamic_axes'] = {'image': {2: 'height', 3: 'width'}}
    failure = None
    for opset in OPSETS[exporter]:
        try:
            with torch.no_grad(), _quiet(), exported_for(runtime):
                torch.onnx.export(part, (image,), str(path), opset_version=opset, **how)
            return opset
        except torch.onnx.errors.UnsupportedOperatorError as error:
            failure = error
        except Exception as error:  # the exporters raise whatever they meet
            failure = error
            break
    reason = (str(failure).strip().splitlines() or [type(failure).__name__])[0]
    raise CannotExport(reason.partition(' Please feel free')[0]) from failure


def describe(path: Path, facts: dict[str, str]) -> None:
    """Checks the ONNX file with ONNX's own checker, and writes ``facts`` into its metadata."""
    model = onnx.load(str(path))
    onnx.checker.check_model(model, full_check=True)
    onnx.helper.set_model_props(model, facts)
    onnx.save(model, str(path))


@contextmanager
def _quiet():
    """Without the exporters' hundreds of warnings, whose causes the comparison would show."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        # it prints the whole graph where it meets what it does not know
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(level)
