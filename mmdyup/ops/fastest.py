"""``MMDYUP_BACKEND=fastest``: each call's backends are timed once, and the fastest is kept.

So does ``torch.backends.cudnn.benchmark`` for convolutions.
"""

import statistics
import time
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from .backends import BACKENDS, default_backend, why_not

_ROUNDS = 5
# How far a result may be from the native one: so many roundings of its largest value.
_ROUNDINGS = 16
_CHOSEN: dict[tuple, str] = {}


def choose_fastest(
    op: str, function: Callable[..., Tensor], maps: tuple[Tensor, ...], sizes: dict, **others
) -> str:
    """The fastest backend of ``op`` for such a call, forward and backward.

    At the first call for an operator, device, dtypes, memory layouts and sizes every backend that
    can run is timed on the caller's tensors. One whose result is further from the native one than
    rounding explains is left out with a warning, and so is one that fails.

    Args:
        op: A key of ``BACKENDS``.
        function: The public function, which takes ``backend``.
        maps: Its tensors that have gradients, the feature among them.
        sizes: Its other arguments that tell calls apart, by name.
        **others: The rest.

    Returns:
        One of ``BACKENDS[op]``.
    """
    key = (op, *sizes.values(), *((m.device, m.dtype, m.shape, m.stride()) for m in maps))
    if key not in _CHOSEN:
        with torch.inference_mode(False), torch.enable_grad():
            _CHOSEN[key] = _measure(op, function, maps, dict(sizes, **others))
    return _CHOSEN[key]


def _measure(op: str, function: Callable, maps: tuple[Tensor, ...], others: dict) -> str:
    maps = tuple(m.detach().clone().requires_grad_() for m in maps)
    others = {key: z.clone() if isinstance(z, Tensor) else z for key, z in others.items()}
    names = [name for name in BACKENDS[op] if name != 'reference' and not why_not(name, maps[0])]
    expected = function(*maps, backend='native', **others).detach()
    times = {}
    for name in names:

        def call(name=name):
            return function(*maps, backend=name, **others)

        try:
            error = _distance(call().detach(), expected)
            if error > _ROUNDINGS:
                raise ValueError(f'its result is {error:.0f} roundings away from the native one.')
            times[name] = _seconds(call, maps)
        except (RuntimeError, ValueError) as reason:
            warnings.warn(
                f'MMDYUP_BACKEND=fastest leaves {name} out for {op}: {reason}', stacklevel=4
            )
    return min(times, key=times.get) if times else default_backend(op, maps[0])


def _distance(y: Tensor, expected: Tensor) -> float:
    """The largest difference in roundings of the largest value that is a number; 0 where both are
    none."""
    unit = torch.finfo(y.dtype).eps
    y, expected = y.double(), expected.double()
    finite = expected.isfinite()
    if not torch.equal(finite, y.isfinite()):
        return float('inf')
    largest = expected[finite].abs().max().item() if finite.any() else 0.0
    return (y - expected)[finite].abs().max().item() / (unit * largest) if largest else 0.0


def _seconds(call: Callable[[], Tensor], maps: tuple[Tensor, ...]) -> float:
    """The median time of a forward and a backward pass."""
    times = []
    for _ in range(_ROUNDS + 1):  # the first one warms up
        _wait(maps[0])
        start = time.perf_counter()
        y = call()
        torch.autograd.grad(y, maps, torch.ones_like(y))
        _wait(maps[0])
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def _wait(x: Tensor) -> None:
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
