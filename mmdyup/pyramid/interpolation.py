"""One mechanism for parents that interpolate by a function, somewhere within their ``forward``."""

import warnings
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ..upsamplers import Upsampler, build_upsampler, find_upsampler
from .merging import UpsamplerList
from .part import DynamicPart


class Step(NamedTuple):
    """An interpolation in a parent's ``forward`` that an upsampler takes over.

    Attributes:
        channels: Channels of what is upsampled.
        scale_factor: The upsampling ratio.
        guide_channels: Channels of the finer feature; None where there is none at hand.
    """

    channels: int
    scale_factor: int = 2
    guide_channels: int | None = None


class Restarted:
    """Base of a part whose parent's ``init_weights`` may leave other weights in its upsamplers."""

    def init_weights(self) -> None:
        """The parent's start, then that of the upsamplers."""
        if hasattr(super(), 'init_weights'):
            super().init_weights()
        for module in self.modules():
            if isinstance(module, Upsampler):
                module.is_init = False
                module.init_weights()


class DynamicInterpolation(Restarted, DynamicPart):
    """Base that stands before a parent whose ``forward`` calls ``F.interpolate`` on its way.

    Nothing of that ``forward`` is written again: while it runs, the k-th call of ``F.interpolate``,
    by a function or by an ``nn.Upsample`` below, goes to the upsampler that :meth:`calls` names for
    it, and the rest of the parent goes on with the result::

        @MODELS.register_module()
        class DyHRFPN(DynamicInterpolation, HRFPN):
            def steps(self):
                return [Step(c, 2**i) for i, c in enumerate(self.in_channels) if i > 0]

    The finer feature, which a guided upsampler sees, is what :meth:`guide` returns, or else the
    feature whose size the parent asked for. If the upsampler changes it, the parent has the changed
    one from there on. An upsampled map is fitted to the size that the parent asks for.

    With the parent's own interpolation, ``own``, it takes the parent's state and gives its output.
    It compiles into one graph, but for a guided upsampler whose guide is found by the size asked
    for: that runs as it is beside the graph.

    Args:
        *args: Those of the parent.
        upsample_cfg: The upsampler of every step; see :class:`DynamicPart`.
        **kwargs: Those of the parent.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or a guided one where a step has no finer
            feature.
    """

    #: The parent's own interpolation; None where it has several, which it keeps unless others are
    #: asked for.
    own: ClassVar[dict | None] = dict(type='bilinear')

    #: What else to say where two levels are not as far apart as a step is; None leaves that step to
    #: the parent's interpolation, and warns.
    hint: ClassVar[str | None] = ''

    def steps(self) -> Sequence[Step]:
        """What is upsampled, as a rule in the order of the parent's interpolations."""
        raise NotImplementedError

    def calls(self, *inputs) -> Sequence[int | None]:
        """For each call of ``F.interpolate``, the number of its step; None, and calls after the
        last, are left as they are."""
        return range(len(self.upsample_modules))

    def guide(self, k: int, *inputs) -> Tensor | None:
        """The finer feature of step k, at the time of that step."""
        return None

    def default_upsample_cfg(self) -> dict | None:
        align_corners = getattr(self, 'align_corners', None)
        if align_corners is None or self.own != dict(type='bilinear'):
            return self.own
        return dict(self.own, align_corners=align_corners)

    def add_upsamplers(self) -> None:
        steps = self.steps()
        upsampler, _ = find_upsampler(self.upsample_cfg)
        if upsampler.guided and any(step.guide_channels is None for step in steps):
            raise no_guide(type(self).__name__, upsampler)
        self.upsample_modules = UpsamplerList(
            build_upsampler(self.upsample_cfg, *step) for step in steps
        )

    def forward(self, *args, **kwargs):
        """The parent's, with the upsamplers in it."""
        if self.upsample_cfg is None:
            return super().forward(*args, **kwargs)
        if self._looks_for_guides:
            return self._uncompiled(*args, **kwargs)
        return self._exchanged(*args, **kwargs)

    def _exchanged(self, *args, **kwargs):
        with Exchange(
            self.upsample_modules,
            self.calls(*args),
            lambda k: self.guide(k, *args),
            type(self).__name__,
            self.hint,
        ):
            return super().forward(*args, **kwargs)

    # a compiler does not show who asked for a size
    @torch.compiler.disable
    def _uncompiled(self, *args, **kwargs):
        return self._exchanged(*args, **kwargs)

    @property
    def _looks_for_guides(self) -> bool:
        guided = any(upsampler.guided for upsampler in self.upsample_modules)
        return guided and type(self).guide is DynamicInterpolation.guide


def no_guide(where: str, upsampler: type[Upsampler]) -> ValueError:
    """What is to be said of a guided upsampler where there is no finer feature."""
    return ValueError(
        f'{upsampler.__name__} needs the finer feature as its guide, and where {where} upsamples '
        'there is none at hand: choose an upsampler that is not guided.'
    )


#: What a parent calls to know a feature's size.
SIZES = (Tensor.shape.__get__, Tensor.size)


class Exchange(TorchFunctionMode):
    """While it is entered, calls of ``F.interpolate`` go to upsamplers, in their order.

    Args:
        upsamplers: What takes them over.
        calls: For each call, the number of its upsampler, or None where it stays.
        guide: The finer feature for the upsampler of this number; None where the one whose size
            was asked for is to be found.
        where: Whose calls they are, for messages.
        hint: What else to say where two levels are not as far apart as they should be; None leaves
            such a call as it is, and warns.
    """

    def __init__(
        self,
        upsamplers: Sequence[Upsampler],
        calls: Sequence[int | None],
        guide: Callable[[int], Tensor | None],
        where: str,
        hint: str | None = '',
    ) -> None:
        super().__init__()
        self.upsamplers = upsamplers
        self.left = list(calls)
        self.guide = guide
        self.where = where
        self.hint = hint
        self.asked = []
        self.changed = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if self.changed:
            args, kwargs = self._now(args), self._now(kwargs)
        if func in SIZES:
            self.asked = [*(x for x in self.asked if x is not args[0]), args[0]]
        if func is not F.interpolate:
            return func(*args, **kwargs)
        k = self.left.pop(0) if self.left else None
        # none of it is for an exchange around this one
        with torch._C.DisableTorchFunction():
            y = None if k is None else self._upsample(k, *args, **kwargs)
            return func(*args, **kwargs) if y is None else y

    def _upsample(self, k: int, x: Tensor, size=None, scale_factor=None, *_, **__) -> Tensor | None:
        upsampler = self.upsamplers[k]
        if size is None:
            # a size may be a symbol of an exported graph, which an `int` would fix
            whole = int(scale_factor) == scale_factor
            s = int(scale_factor) if whole else scale_factor
            size = (s * n if whole else int(s * n) for n in x.shape[-2:])
        size = tuple(size)
        fine = self._finer(k, size)
        if fine is None:
            if upsampler.guided:
                raise no_guide(self.where, type(upsampler))
            fine = x.new_empty((len(x), 1, *size))
        try:
            upsampler.check_apart(x, fine)
        except ValueError as error:
            if self.hint is not None:
                raise ValueError(f'{error}{self.hint}') from error
            warnings.warn(
                f'{self.where} interpolates as it did where maps are not {upsampler.scale_factor} '
                'times apart.',
                stacklevel=2,
            )
            return None
        y, changed = upsampler.meet(x, fine)
        if changed is not fine:
            self.changed.append((fine, changed))
        return y

    def _finer(self, k: int, size: tuple[int, int]) -> Tensor | None:
        fine = self.guide(k)
        return self._now(last_of_size(self.asked, size) if fine is None else fine)

    def _now(self, value):
        """The same, with what upsamplers made of the features in it."""
        if isinstance(value, Tensor):
            for before, after in self.changed:
                value = after if value is before else value
            return value
        if type(value) in (list, tuple):
            return type(value)(self._now(x) for x in value)
        if isinstance(value, dict):
            return {name: self._now(x) for name, x in value.items()}
        return value


def last_of_size(features: Sequence[Tensor], size: tuple[int, int]) -> Tensor | None:
    """The last of these that is a map of this size, (H, W)."""
    sized = [x for x in features if x.dim() == 4 and tuple(x.shape[-2:]) == size]
    return sized[-1] if sized else None
