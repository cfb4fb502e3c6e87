"""What can be a row of the table, by name: upsamplers, the operators under them, and both as others
write them with PyTorch's public operators, for comparison."""

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdyup import build_upsampler, list_upsamplers
from mmdyup.ops import attend, carafe, point_sample
from mmdyup.ops.backends import choose_backend
from mmdyup.ops.tensors import compute_dtype
from mmdyup.upsamplers.dysample import bilinear_start

from . import flops
from .case import DTYPES, LAYOUTS, Case, Subject

COMPILED = ':compiled'
_KERNEL_SIZE = 5
_GROUPS = 4
_POINTS, _EMBED = 9, 32


def build(name: str, case: Case) -> Subject:
    """The row ``name``, a key of ``ROWS`` or one followed by ':compiled', for ``case``.

    Raises:
        ValueError: There is no such row, or it cannot take the sizes or the device of the case.
    """
    plain = name.removesuffix(COMPILED)
    check_names([name])
    try:
        subject = ROWS[plain](case)
    except ValueError as error:
        raise ValueError(
            f'The row {name} cannot be measured on {case.title}: '
            f'{str(error).removesuffix(".")}; change that or leave the row out with '
            '--rows.'
        ) from error
    return subject if plain == name else subject.compiled()


def check_names(names: list[str]) -> None:
    """Raises ValueError where one of ``names`` is not a row."""
    for name in names:
        if name.removesuffix(COMPILED) not in ROWS:
            raise ValueError(
                f'There is no row {name}; choose from {", ".join(ROWS)}, or one of '
                f'these followed by {COMPILED}.'
            )


def usual_rows(case: Case) -> list[str]:
    """All rows, but for mmcv's where it cannot run, and the native ones where 'auto' is that."""
    left_out = set()
    for row, op in (
        ('reassembly', 'carafe'),
        ('point_sample', 'point_sample'),
        ('attend', 'attend'),
    ):
        chosen = choose_backend(op, 'auto', case.feature())
        if chosen == 'native':
            left_out.add(f'{row}_native')
        if chosen != 'mmcv':
            left_out.add(f'{row}_mmcv')
    return [name for name in ROWS if name not in left_out]


def reassembly(case: Case, kernel_size: int = _KERNEL_SIZE, backend: str = 'auto') -> Subject:
    """``ops.carafe`` with given kernels."""
    choose_backend('carafe', backend, case.feature())
    run = partial(carafe, scale_factor=case.ratio, backend=backend)
    return Subject(
        run,
        _cost(case, flops.reassembly, k=kernel_size),
        lambda: (case.high(kernel_size**2).softmax(1),),
    )


def _unfold_reassembly(case: Case) -> Subject:
    return Subject(
        partial(unfold_reassembly, scale_factor=case.ratio),
        _cost(case, flops.reassembly),
        reassembly(case).extras,
    )


def _point_sample(case: Case, backend: str = 'auto') -> Subject:
    """``ops.point_sample`` with given offsets, scattered around the start."""

    def offsets():
        start = bilinear_start(case.ratio, _GROUPS).to(case.device)
        noise = case.low(start.shape[1])
        return (0.25 * noise.to(compute_dtype(noise)) + start,)

    run = partial(point_sample, scale_factor=case.ratio, groups=_GROUPS, backend=backend)
    return Subject(run, _cost(case, flops.bilinear), offsets)


def _attend(case: Case, run: Callable[..., Tensor]) -> Subject:
    """Attention over points as SAPA-D has it, given queries, keys and scattered positions."""
    embed = _GROUPS * _EMBED

    def maps():
        noise = case.high(2 * _GROUPS * _POINTS)
        noise = 0.5 * noise.to(compute_dtype(noise))
        columns, rows = (torch.arange(n, device=case.device) for n in noise.shape[:1:-1])
        cells = torch.stack(torch.meshgrid(columns, rows, indexing='xy')) // case.ratio
        positions = (noise.unflatten(1, (-1, 2)) + cells).flatten(1, 2)
        return case.high(embed), case.low(embed), positions

    def in_order(x, query, key, positions):
        return run(query, key, x, positions)

    return Subject(in_order, _cost(case, flops.attention, embed=embed), maps)


def _attend_by(backend: str, case: Case) -> Subject:
    choose_backend('attend', backend, case.feature())
    return _attend(case, partial(attend, groups=_GROUPS, heads=_GROUPS, backend=backend))


def _grid_sample_dysample(case: Case) -> Subject:
    module = GridSampleDySample(case.channels, case.ratio, _GROUPS)
    return Subject(_placed(module, case), _cost(case, flops.dysample, groups=_GROUPS))


def _upsampler(cfg: dict, case: Case) -> Subject:
    module = build_upsampler(cfg, case.channels, case.ratio)
    own = {key: value for key, value in cfg.items() if key != 'type'}
    formula = flops.FORMULAS.get(cfg['type'])
    # counted in float32, before it is placed
    cost = _cost(case, formula, **own) if formula else case.cells * flops.counted(module)
    return Subject(
        _placed(module, case),
        cost,
        partial(_guide, case) if module.guided else tuple,
    )


def _guide(case: Case) -> tuple[Tensor]:
    return (case.high(case.channels),)


def _placed(module: nn.Module, case: Case) -> nn.Module:
    return module.to(case.device, DTYPES[case.dtype]).to(memory_format=LAYOUTS[case.layout])


def _cost(case: Case, count: Callable[..., int], **own) -> int:
    return case.cells * count(case.channels, case.ratio, **own)


def unfold_reassembly(x: Tensor, kernels: Tensor, scale_factor: int) -> Tensor:
    """CARAFE's reassembly by a k²-fold copy of the feature at the upsampled size.

    Args:
        x: (N, C, H, W).
        kernels: (N, k², sH, sW).
        scale_factor: s.

    Returns:
        (N, C, sH, sW).
    """
    n, c, h, w = x.shape
    k = math.isqrt(kernels.shape[1])
    windows = F.unfold(x, k, padding=k // 2).view(n, c * k * k, h, w)
    windows = F.interpolate(windows, scale_factor=scale_factor, mode='nearest')
    return (windows.unflatten(1, (c, k * k)) * kernels[:, None]).sum(2)


def grid_sample_attend(
    query: Tensor, key: Tensor, value: Tensor, positions: Tensor, groups: int = _GROUPS
) -> Tensor:
    """Attention over points by samples of all of them at the upsampled size, at once.

    Args:
        query: (N, D, sH, sW).
        key: (N, D, H, W).
        value: (N, C, H, W).
        positions: (N, 2·groups·P, sH, sW), as :func:`mmdyup.ops.attend` has them.
        groups: Groups of channels with points and a softmax of their own.

    Returns:
        (N, C, sH, sW).
    """
    n, _, h, w = value.shape
    large = query.shape[2:]
    pairs = positions.reshape(n * groups, -1, 2, *large).movedim(2, -1)
    grid = (2 * pairs + 1) / pairs.new_tensor((w, h)) - 1

    def sample(x):
        x = x.reshape(n * groups, -1, h, w)
        samples = F.grid_sample(x, grid.flatten(1, 2).to(x.dtype), align_corners=False)
        return samples.unflatten(2, (-1, large[0]))

    queries = query.reshape(n * groups, -1, 1, *large)
    weights = (queries * sample(key)).sum(1, keepdim=True).softmax(2)
    return (weights * sample(value)).sum(2).reshape(n, -1, *large)


class GridSampleDySample(nn.Module):
    """DySample (LP, static scope) as plain ports have it: positions in the feature's dtype.

    Half precision cannot hold these positions; only its time is of interest there.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The ratio s.
        groups: Groups of channels that share their offsets.
    """

    def __init__(self, in_channels: int, scale_factor: int = 2, groups: int = 4) -> None:
        super().__init__()
        self.scale_factor = scale_factor
        self.groups = groups
        self.offset = nn.Conv2d(in_channels, 2 * groups * scale_factor**2, 1)
        nn.init.normal_(self.offset.weight, std=0.001)
        nn.init.zeros_(self.offset.bias)
        self.register_buffer('init_pos', bilinear_start(scale_factor, groups))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, sH, sW)."""
        n, c, h, w = x.shape
        s, g = self.scale_factor, self.groups
        offsets = (0.25 * self.offset(x) + self.init_pos).view(n, 2, g * s * s, h, w)
        rows, columns = (
            torch.arange(size, device=x.device, dtype=x.dtype) + 0.5 for size in (h, w)
        )
        centres = torch.stack(torch.meshgrid(columns, rows, indexing='xy'))[None, :, None]
        size = torch.tensor([w, h], device=x.device, dtype=x.dtype).view(1, 2, 1, 1, 1)
        grid = 2 * (centres + offsets) / size - 1
        grid = F.pixel_shuffle(grid.reshape(n, -1, h, w), s).view(n, 2, g, s * h, s * w)
        y = F.grid_sample(
            x.reshape(n * g, c // g, h, w),
            grid.permute(0, 2, 3, 4, 1).flatten(0, 1),
            mode='bilinear',
            padding_mode='border',
            align_corners=False,
        )
        return y.view(n, c, s * h, s * w)


#: Builds the row of each name for a case.
ROWS: dict[str, Callable[[Case], Subject]] = {
    **{
        name: partial(_upsampler, dict(type=name))
        for name in ('nearest', 'bilinear', 'deconv', 'pixel_shuffle')
    },
    **{name: partial(_upsampler, cfg) for name, cfg in list_upsamplers().items()},
    'dysample_grid_sample': _grid_sample_dysample,
    'point_sample': _point_sample,
    'point_sample_native': partial(_point_sample, backend='native'),
    'attend': partial(_attend_by, 'auto'),
    'attend_native': partial(_attend_by, 'native'),
    'attend_grid_sample': partial(_attend, run=grid_sample_attend),
    'reassembly': reassembly,
    'reassembly_native': partial(reassembly, backend='native'),
    'reassembly_mmcv': partial(reassembly, backend='mmcv'),
    'reassembly_unfold': _unfold_reassembly,
}
