"""How long exported upsamplers take beside a runtime's own bilinear Resize."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

from benchmarks.measure import cpu_clock
from mmdyup import build_upsampler, list_upsamplers
from mmdyup.ops import exported_for

from .graph import CHOICE
from .runtimes import in_onnxruntime, in_openvino

RUNTIMES = ('onnxruntime', 'openvino')
OPSET = 17
BILINEAR = 'bilinear'


def time_all(
    names: list[str], size: tuple[int, int, int], scale_factor: int, rounds: int, threads: int
) -> dict[tuple[str, str], float]:
    """Times the upsamplers in every runtime, and in PyTorch, one round after the other.

    Args:
        names: Of :func:`mmdyup.list_upsamplers`.
        size: Channels, height and width of the feature.
        scale_factor: The upsampling ratio.
        rounds: How often each runs after its first call.
        threads: Those of each runtime.

    Returns:
        The median of (name, runtime), in seconds; the name 'bilinear' is Resize. With one thread
        it is the time of a processor, which what else runs on the machine does not lengthen.
    """
    torch.set_num_threads(threads)
    calls = {}
    for name in (BILINEAR, *names):
        cfg = list_upsamplers().get(name, dict(type=name))
        upsampler = build_upsampler(cfg, size[0], scale_factor).eval()
        x = torch.randn(1, *size)
        fine = torch.randn(1, size[0], *(scale_factor * n for n in size[1:]))
        maps = (x, fine) if upsampler.guided else (x,)
        calls[name, 'pytorch'] = _torch_call(upsampler, maps)
        for runtime in RUNTIMES:
            calls[name, runtime] = _graph_call(upsampler, maps, runtime, threads)
    for call in calls.values():
        call()
    times = {key: [] for key in calls}
    for _ in range(rounds):
        for key, call in calls.items():
            times[key].append(cpu_clock(call, 1))
    return {key: median(values) for key, values in times.items()}


def table(times: dict[tuple[str, str], float], names: list[str]) -> str:
    """A Markdown table: milliseconds, and how many times those of Resize in the same runtime."""
    runtimes = ('pytorch', *RUNTIMES)
    lines = ['| upsampler | PyTorch | ONNX Runtime | OpenVINO |', '|---|---|---|---|']
    for name in (BILINEAR, *names):
        cells = (
            f'{1000 * times[name, runtime]:.1f} ms, '
            f'{times[name, runtime] / times[BILINEAR, runtime]:.1f}×'
            for runtime in runtimes
        )
        lines.append(f'| {name} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def _torch_call(upsampler: nn.Module, maps: tuple[Tensor, ...]) -> Callable[[], None]:
    def call() -> None:
        with torch.inference_mode():
            upsampler(*maps)

    return call


def _graph_call(
    upsampler: nn.Module, maps: tuple[Tensor, ...], runtime: str, threads: int
) -> Callable[[], None]:
    names = ['x', 'guide'][: len(maps)]
    feed = {name: value.numpy() for name, value in zip(names, maps, strict=True)}
    how = dict(dynamo=False) if CHOICE else {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'upsampler.onnx'
        with torch.no_grad(), exported_for(runtime):
            torch.onnx.export(
                upsampler, maps, str(path), input_names=names, opset_version=OPSET, **how
            )
        if runtime == 'openvino':
            run = in_openvino(path, 'f32', threads)
        else:
            run = in_onnxruntime(path, threads)
    return lambda: run(feed)
