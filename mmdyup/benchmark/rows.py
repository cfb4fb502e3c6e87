"""What can be a row of the table, by name."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from ..ops import carafe, point_sample
from ..ops.backends import choose_backend
from ..ops.tensors import compute_dtype
from ..upsamplers import build_upsampler
from ..upsamplers.dysample import bilinear_start
from . import flops
from .case import DTYPES, LAYOUTS, Case
from .peers import GridSampleDySample, unfold_reassembly
from .subject import Subject

COMPILED = ':compiled'
_KERNEL_SIZE = 5
_GROUPS = 4


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
    for row, op in (('reassembly', 'carafe'), ('point_sample', 'point_sample')):
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


def _grid_sample_dysample(case: Case) -> Subject:
    module = GridSampleDySample(case.channels, case.ratio, _GROUPS)
    return Subject(_placed(module, case), _cost(case, flops.dysample, groups=_GROUPS))


def _upsampler(type: str, count: Callable[..., int], case: Case, **own) -> Subject:
    module = build_upsampler(dict(type=type, **own), case.channels, case.ratio)
    return Subject(
        _placed(module, case),
        _cost(case, count, **own),
        partial(_guide, case) if module.guided else tuple,
    )


def _guide(case: Case) -> tuple[Tensor]:
    return (case.high(case.channels),)


def _placed(module: nn.Module, case: Case) -> nn.Module:
    return module.to(case.device, DTYPES[case.dtype]).to(memory_format=LAYOUTS[case.layout])


def _cost(case: Case, count: Callable[..., int], **own) -> int:
    return case.cells * count(case.channels, case.ratio, **own)


def _nothing(c: int, s: int) -> int:
    return 0


_STATIC_S = dict(style='pl', groups=8)

#: Builds the row of each name for a case.
ROWS: dict[str, Callable[[Case], Subject]] = {
    'nearest': partial(_upsampler, 'nearest', _nothing),
    'bilinear': partial(_upsampler, 'bilinear', flops.bilinear),
    'deconv': partial(_upsampler, 'deconv', flops.deconv),
    'pixel_shuffle': partial(_upsampler, 'pixel_shuffle', flops.pixel_shuffle),
    'dysample': partial(_upsampler, 'DySample', flops.dysample),
    'dysample_plus': partial(_upsampler, 'DySample', flops.dysample, dyscope=True),
    'dysample_s': partial(_upsampler, 'DySample', flops.dysample, **_STATIC_S),
    'dysample_s_plus': partial(_upsampler, 'DySample', flops.dysample, dyscope=True, **_STATIC_S),
    'dysample_grid_sample': _grid_sample_dysample,
    'carafe': partial(_upsampler, 'CARAFE', flops.carafe),
    'dlu': partial(_upsampler, 'DLU', flops.dlu),
    'fade': partial(_upsampler, 'FADE', flops.fade),
    'sapa': partial(_upsampler, 'SAPA', flops.sapa),
    'point_sample': _point_sample,
    'point_sample_native': partial(_point_sample, backend='native'),
    'reassembly': reassembly,
    'reassembly_native': partial(reassembly, backend='native'),
    'reassembly_mmcv': partial(reassembly, backend='mmcv'),
    'reassembly_unfold': _unfold_reassembly,
}
