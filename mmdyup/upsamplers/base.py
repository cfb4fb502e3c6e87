import inspect
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops.backends import is_exporting
from ..ops.checks import check_input, check_map, check_positive_int, check_same_device, check_shape
from .registry import BaseModule

#: What whoever builds an upsampler gives to it; the rest is its own.
GIVEN = ('in_channels', 'scale_factor')


class Upsampler(BaseModule):
    """What every upsampler is: ``Upsampler(in_channels, scale_factor=2, **own)``.

    A subclass defines :meth:`forward` and :meth:`reset_parameters` and calls the latter at the
    end of its ``__init__``. Set again in :meth:`init_weights`, the start also survives a parent
    whose ``init_cfg`` initializes every convolution below it: mmengine initializes a parent
    first and its children afterwards. A guided one takes ``guide_channels`` too.

    What it does on a feature can be looked at by methods that take what :meth:`forward` takes; a
    subclass has those that it has something for, and ``tools/draw.py`` draws them:

    ===================== ========================= ============================================
    method                gives                     of every output position
    ===================== ========================= ============================================
    ``offsets``           as its operator has them  offsets of points, in low-resolution pixels
    ``points``            (N, G, P, 2, sH, sW)      columns and rows in ``x`` where it samples
    ``start_points``      likewise, of ``x`` alone  the same before anything is learned
    ``scopes``            (N, G, P, 2, sH, sW)      what the offsets are multiplied by
    ``weights``           (N, heads, P, sH, sW)     the shares of the points
    ``kernels``           (N, G·k², sH, sW)         weights of the taps around the cell
    ``highpass_kernels``  (N, k², sH, sW)           what sharpens the finer level
    ``gates``             (N, 1, H, W) or sH, sW    the share of one of two features
    ===================== ========================= ============================================

    Args:
        in_channels: Channels C of the feature, which the result has too.
        scale_factor: The upsampling ratio s, 1 or more.
        init_cfg: mmengine's initialization config, applied after the paper's start.

    Raises:
        TypeError: ``in_channels`` or ``scale_factor`` is not an integer, or there is no argument
            of this name.
        ValueError: One of them is below 1.
        ImportError: There is an ``init_cfg``, but no mmengine.
    """

    #: Whether :meth:`forward` needs ``guide``, the feature of the finer level.
    guided: ClassVar[bool] = False

    #: The published variants: names, and the arguments of its own that each of them sets.
    variants: ClassVar[dict[str, dict]] = {}

    #: Whether ``kernels``, where there are any, weigh pixels of the result, not of the feature.
    fine_kernels: ClassVar[bool] = False

    def __new__(cls, *args, **options) -> 'Upsampler':
        for name in options:
            if name not in GIVEN and name not in accepted_arguments(cls):
                raise TypeError(f'{unknown_argument(cls, name)}.')
        return super().__new__(cls)

    def __init__(
        self, in_channels: int, scale_factor: int = 2, init_cfg: dict | list | None = None
    ) -> None:
        super().__init__(init_cfg)
        check_positive_int('in_channels', in_channels)
        check_positive_int('scale_factor', scale_factor)
        self.in_channels = in_channels
        self.scale_factor = scale_factor

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """(N, C, H, W) to (N, C, sH, sW); ``guide`` is ignored unless ``guided``."""
        raise NotImplementedError

    def meet(self, x: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        """Upsamples ``x`` to the size of the finer level, for the two to be merged.

        Rows or columns that are too many, as where a level's size was rounded up on its way
        down, are cropped; where they are too few, the result is stretched to the nearest pixel.
        At 2× a nearest upsampler thus gives exactly ``F.interpolate(x, size=fine.shape[-2:])``,
        whichever way the size was rounded. An upsampler that is guided sees the finer level at s
        times the size of ``x``: cropped, or with its last row and column repeated. If it changes
        that level, what was cropped stays as it was. An exported graph does this for any size.

        Args:
            x: The coarse level, (N, C, H, W).
            fine: The finer level, (N, C', H', W'), less than s rows and columns from s times x.

        Returns:
            ``x`` upsampled, (N, C, H', W'), and ``fine`` as it is to be merged: itself, unless a
            subclass changes it in :meth:`fuse`.

        Raises:
            ValueError: The levels are not s times apart.
        """
        self.check_apart(x, fine)
        size, whole = fine.shape[-2:], [self.scale_factor * n for n in x.shape[-2:]]
        fixed = _are_fixed(*whole, *size)
        pad, stretch = (_pad, _stretch) if fixed else (_pad_any, _stretch_any)
        y, changed = self.fuse(x, pad(fine, whole) if self.guided else None)
        if changed is not None:
            changed = pad(changed, size)
            whole_covers = fixed and all(a >= b for a, b in zip(whole, size, strict=True))
            fine = changed if whole_covers else torch.where(_inside(fine, whole), changed, fine)
        return stretch(y, size), fine

    def check_apart(self, x: Tensor, fine: Tensor) -> None:
        """Raises ValueError unless the levels are s times apart, less than s rows and columns off.

        Sizes that are symbols of an exported graph pass. TypeError is for what is no level.
        """
        check_map('x', x)
        check_map('fine', fine)
        check_same_device(x, fine=fine)
        pictures = x.shape[0], fine.shape[0]
        if _are_fixed(*pictures) and pictures[0] != pictures[1]:
            raise ValueError(
                f'The levels are of {pictures[0]} and {pictures[1]} pictures; give levels of the '
                'same pictures.'
            )
        s, coarse, size = self.scale_factor, x.shape[-2:], fine.shape[-2:]
        if _are_fixed(*coarse, *size) and any(
            abs(s * a - b) >= s for a, b in zip(coarse, size, strict=True)
        ):
            raise ValueError(
                f'The levels {tuple(coarse)} and {tuple(size)} are not {s} times '
                'apart; choose backbone outputs whose strides are.'
            )

    def fuse(self, x: Tensor, guide: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """What :meth:`meet` asks of levels that are exactly s times apart.

        Args:
            x: The coarse level, (N, C, H, W).
            guide: The finer level, (N, C', sH, sW), where the upsampler is guided.

        Returns:
            ``x`` upsampled, (N, C, sH, sW), and the finer level changed, (N, C', sH, sW), by a
            subclass that changes it, else None.
        """
        return self(x, guide), None

    def reset_parameters(self) -> None:
        """Sets the start that the paper prescribes, of buffers too; nothing where there is none."""

    def init_weights(self) -> None:
        self.reset_parameters()
        super().init_weights()

    def __prepare_scriptable__(self) -> 'Upsampler':
        """What ``torch.jit.script`` asks of every module that it meets; it knows none of ours."""
        raise NotImplementedError(
            f'{type(self).__name__} cannot be scripted: take torch.jit.trace, torch.export or '
            'torch.compile.'
        )

    def extra_repr(self) -> str:
        return f'in_channels={self.in_channels}, scale_factor={self.scale_factor}'


def accepted_arguments(cls: type[Upsampler]) -> set[str]:
    """The arguments of its own that an upsampler takes: what its config may hold beside ``type``.

    These are all but ``in_channels`` and ``scale_factor``, its parents' too where a constructor
    hands ``**kwargs`` on to them.
    """
    names = set()
    for base in cls.__mro__:
        if '__init__' in vars(base):
            parameters = inspect.signature(base.__init__).parameters.values()
            names.update(
                p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
            )
            if all(p.kind != p.VAR_KEYWORD for p in parameters):
                break
    return names - {'self', *GIVEN}


def unknown_argument(cls: type[Upsampler], name: str) -> str:
    """What is to be said where there is no argument of this name."""
    own = ', '.join((*GIVEN, *sorted(accepted_arguments(cls))))
    return f'{cls.__name__} takes no argument {name!r}; it takes {own}'


def backend_beside(backend: str) -> str:
    """What runs other operators where ``backend`` runs the reassembly, all that mmcv has."""
    return 'auto' if backend == 'mmcv' else backend


def check_guide(upsampler: Upsampler, x: Tensor, guide: Tensor | None) -> None:
    """Raises where ``guide`` is not the finer feature that a guided upsampler takes."""
    check_map('x', x)
    name = type(upsampler).__name__
    if guide is None:
        raise ValueError(
            f'{name} needs the finer feature as its guide: call it with (x, '
            'guide), or choose an upsampler that is not guided.'
        )
    n, _, h, w = x.shape
    s, channels = upsampler.scale_factor, upsampler.guide_channels
    check_shape(
        'guide',
        guide,
        (n, channels, s * h, s * w),
        f'the finer feature, {s} times the size of x, for {name} with guide_channels={channels}',
    )
    check_same_device(x, guide=guide)
    check_input(upsampler, 'x', x, upsampler.in_channels)
    check_input(upsampler, 'guide', guide, channels)


def _are_fixed(*sizes) -> bool:
    """Whether sizes are numbers, not symbols of a graph that is being exported for any size."""
    # a strict export goes through torch.compile, which shows symbols as numbers
    if is_exporting() and torch.compiler.is_dynamo_compiling():
        return False
    return all(isinstance(size, int) for size in sizes)


def _pad(x: Tensor, size: list[int]) -> Tensor:
    h, w = size
    x = x[..., :h, :w]
    if x.shape[-2:] == (h, w):
        return x
    return F.pad(x, (0, w - x.shape[-1], 0, h - x.shape[-2]), mode='replicate')


def _inside(fine: Tensor, whole: list[int]) -> Tensor:
    """Where ``fine`` lies within a map of the size ``whole``, (H', W')."""
    rows, columns = (
        torch.arange(n, device=fine.device) < end
        for n, end in zip(fine.shape[-2:], whole, strict=True)
    )
    return rows[:, None] & columns


def _stretch(x: Tensor, size: torch.Size) -> Tensor:
    x = x[..., : size[0], : size[1]]
    return x if x.shape[-2:] == size else F.interpolate(x, size=size, mode='nearest')


# The same for sizes that are symbols: a question about them would be answered once, in the graph.


def _pad_any(x: Tensor, size: list[int]) -> Tensor:
    for dim, wanted in zip((-2, -1), size, strict=True):
        i = torch.arange(wanted, device=x.device)
        x = x.index_select(dim, i.clamp(max=x.shape[dim] - 1))
    return x


def _stretch_any(x: Tensor, size: torch.Size) -> Tensor:
    for dim, wanted in zip((-2, -1), size, strict=True):
        i = torch.arange(wanted, device=x.device)
        # never beyond i: what is too large is cropped
        x = x.index_select(dim, torch.minimum(i, i * x.shape[dim] // wanted))
    return x
