"""Upsamplers in any model of PyTorch: the interpolations in it, found by one forward pass."""

import contextlib
import functools
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from .pyramid.interpolation import SIZES, Exchange, last_of_size
from .upsamplers import Upsampler, build_upsampler, find_upsampler

# what a picture has at most
_PICTURE_CHANNELS = 4
_MODES = ('nearest', 'nearest-exact', 'bilinear')


@dataclass
class Swapped:
    """An interpolation that was exchanged.

    Attributes:
        module: The name of the module in whose ``forward`` it is.
        channels: Channels of what is upsampled.
        scale_factor: The ratio.
    """

    module: str
    channels: int
    scale_factor: int


@dataclass
class Left:
    """An interpolation, or a transposed convolution, that was left as it was.

    Attributes:
        module: The name of the module in whose ``forward`` it is.
        reason: Why.
    """

    module: str
    reason: str


@dataclass
class Swaps:
    """What :func:`swap_upsamples` did; printed, it says so in lines.

    Attributes:
        exchanged: What is an upsampler now, in the order of the model's modules.
        left: What is not, and why.
    """

    exchanged: list[Swapped] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f'exchanged: {x.module or "the model itself"}, {x.channels} channels, {x.scale_factor}x'
            for x in self.exchanged
        ]
        lines += [f'left: {x.module or "the model itself"}: {x.reason}' for x in self.left]
        return '\n'.join(lines) or 'The model upsamples nothing.'


def swap_upsamples(model: nn.Module, upsample_cfg: dict, example: object) -> Swaps:
    """Exchanges the interpolations of a built model for upsamplers, in place.

    One forward pass tells which modules interpolate, by ``nn.Upsample`` or by
    ``F.interpolate`` in their own ``forward``, with how many channels and by which ratio. Each such
    module becomes a subclass of its class, which hands these calls to its ``swapped_upsamplers``.
    Its other code, its weights and its name stay. A guided upsampler sees the feature whose size
    the module asked for. Where pictures of another size change a ratio, as behind pooling to a
    fixed size, the model's own interpolation runs, and one warning says so. An optimizer is made
    after the exchange. A state from before it is loaded before it, and one from after it into a
    model with the same exchange.

    Args:
        model: Any model. It runs once, in eval mode and without gradients.
        upsample_cfg: The upsampler; see :func:`mmdyup.build_upsampler`.
        example: What the model is called with: a tuple is several arguments, a dict is named ones,
            anything else is the only one. Its sizes must divide as often as the model halves them.

    Returns:
        What was exchanged, and what was left as it was and why.

    Raises:
        TypeError: ``upsample_cfg`` is not a dict.
        ValueError: ``upsample_cfg`` names no upsampler, or the model does not run on the example.
    """
    upsampler, _ = find_upsampler(upsample_cfg)
    names = {module: name for name, module in model.named_modules()}
    recorder = _record(model, example)
    swaps = Swaps()
    chosen = {}
    for call in recorder.calls:
        owner = call.frames[-1].module
        if owner not in names:
            reason = 'its module is made anew in every pass'
        else:
            reason = _why_not(call, upsampler) or _build(call, upsample_cfg)
        call.reason = reason
        if not reason:
            chosen.setdefault(owner, []).append(call)
    exchanged = {owner for owner in chosen if _same_in_every_pass(owner, recorder, chosen)}
    for owner in chosen:
        if owner in exchanged:
            _exchange(owner, recorder, exchanged)
    for call in recorder.calls:
        owner = call.frames[-1].module
        name = names.get(owner, type(owner).__name__)
        if not call.reason and owner not in exchanged:
            call.reason = 'the module is called several times, and interpolates otherwise each time'
        if call.reason:
            left = Left(name, call.reason)
            if call.grows and left not in swaps.left:
                swaps.left.append(left)
        elif call.frames[-1] is recorder.first[owner]:
            swaps.exchanged.append(Swapped(name, call.upsampler.in_channels, call.ratio))
    for name, module in model.named_modules():
        if isinstance(module, nn.ConvTranspose2d) and max(module.stride) > 1:
            swaps.left.append(Left(name, 'a transposed convolution, which has learned to upsample'))
    return swaps


@dataclass(eq=False)
class _Frame:
    """A module that is running, and whose sizes were asked for meanwhile."""

    module: nn.Module
    asked: list[Tensor] = field(default_factory=list)


@dataclass(eq=False)
class _Call:
    """A call of ``F.interpolate``: who is running, outermost first, and from what to what."""

    frames: tuple[_Frame, ...]
    x: Tensor
    size: tuple[int, ...]
    mode: str
    fine: Tensor | None
    upsampler: Upsampler | None = None
    reason: str = ''

    @property
    def grows(self) -> bool:
        return any(a > b for a, b in zip(self.size, self.x.shape[2:], strict=True))

    @property
    def ratio(self) -> int:
        return round(self.size[0] / self.x.shape[2])


class _Recorder(TorchFunctionMode):
    """Sees every interpolation of a model's pass."""

    def __init__(self) -> None:
        super().__init__()
        self.running: list[_Frame] = []
        self.calls: list[_Call] = []
        self.first: dict[nn.Module, _Frame] = {}

    def enter(self, module: nn.Module, _) -> None:
        self.running.append(_Frame(module))
        self.first.setdefault(module, self.running[-1])

    def leave(self, module: nn.Module, *_) -> None:
        self.running.pop()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func in SIZES:
            for frame in self.running:
                frame.asked.append(args[0])
        if func is F.interpolate and not any(isinstance(f.module, Upsampler) for f in self.running):
            x, size = args[0], tuple(result.shape[2:])
            mode = kwargs.get('mode', args[3] if len(args) > 3 else 'nearest')
            fine = last_of_size(self.running[-1].asked, size)
            self.calls.append(_Call((*self.running,), x, size, mode, fine))
        return result


def _record(model: nn.Module, example: object) -> _Recorder:
    recorder = _Recorder()
    with contextlib.ExitStack() as stack:
        stack.callback(_set_training, {m: m.training for m in model.modules()})
        for hook in (
            register_module_forward_pre_hook(recorder.enter),
            register_module_forward_hook(recorder.leave, always_call=True),
        ):
            stack.callback(hook.remove)
        model.eval()
        try:
            with torch.no_grad(), recorder:
                if isinstance(example, tuple):
                    model(*example)
                elif isinstance(example, dict):
                    model(**example)
                else:
                    model(example)
        except Exception as error:  # whatever the model raises
            raise ValueError(
                'The model does not run on the example '
                f'({" ".join(f"{type(error).__name__}: {error}".split())[:300]}); give one that it '
                'can be called with: a tuple is several arguments, a dict is named ones.'
            ) from error
    return recorder


def _set_training(before: dict[nn.Module, bool]) -> None:
    for module, training in before.items():
        module.training = training


def _why_not(call: _Call, upsampler: type[Upsampler]) -> str:
    """Why a call cannot be exchanged, if so."""
    x, size = call.x, call.size
    if not call.grows:
        return 'it makes nothing larger'
    if x.dim() != 4 or not x.is_floating_point():
        return 'it is no map of shape (N, C, H, W)'
    if call.mode not in _MODES:
        return f'its mode is {call.mode}: positions are resized so, not features'
    if x.shape[1] <= _PICTURE_CHANNELS:
        return f'it has {x.shape[1]} channels, as a picture or a mask has, not a feature'
    if tuple(x.shape[2:]) == (1, 1):
        return 'it spreads a pooled value out'
    if any(abs(call.ratio * a - b) >= call.ratio for a, b in zip(x.shape[2:], size, strict=True)):
        return f'{tuple(x.shape[2:])} to {size} is no integer ratio'
    if upsampler.guided and call.fine is None:
        return f'{upsampler.__name__} needs the finer feature, and none is at hand here'
    module = call.frames[-1].module
    if isinstance(module, torch.jit.ScriptModule):
        return 'its module is a script'
    if isinstance(module, (nn.Sequential, nn.ModuleList, nn.ModuleDict)):
        return 'its module is a container, whose parts it would become'
    return ''


def _build(call: _Call, upsample_cfg: dict) -> str:
    """Builds a call's upsampler, or says why that cannot be."""
    guide_channels = None if call.fine is None else call.fine.shape[1]
    try:
        built = build_upsampler(
            upsample_cfg, call.x.shape[1], call.ratio, guide_channels=guide_channels
        )
    except ValueError as error:
        return str(error)
    call.upsampler = built.to(call.x.device, call.x.dtype)
    call.upsampler.train(call.frames[-1].module.training)
    return ''


def _within(owner: nn.Module, recorder: _Recorder, exchanged) -> dict[_Frame, list[_Call]]:
    """The calls that an exchange at this module sees, for each time it runs.

    What is within another exchange, further inside, is hidden from it.
    """
    seen = {}
    for call in recorder.calls:
        modules = [frame.module for frame in call.frames]
        if owner in modules:
            place = len(modules) - 1 - modules[::-1].index(owner)
            if not any(module in exchanged for module in modules[place + 1 :]):
                seen.setdefault(call.frames[place], []).append(call)
    return seen


def _same_in_every_pass(owner: nn.Module, recorder: _Recorder, exchanged) -> bool:
    kinds = [
        [_kind(call, owner) for call in calls]
        for calls in _within(owner, recorder, exchanged).values()
    ]
    return all(kind == kinds[0] for kind in kinds)


def _kind(call: _Call, owner: nn.Module) -> tuple | None:
    if call.reason or call.frames[-1].module is not owner:
        return None
    return call.x.shape[1], call.ratio, call.fine is not None and call.fine.shape[1]


def _exchange(owner: nn.Module, recorder: _Recorder, exchanged) -> None:
    calls = next(iter(_within(owner, recorder, exchanged).values()))
    own = [call for call in calls if _kind(call, owner) is not None]
    owner.__class__ = _swapped(type(owner))
    owner.swapped_upsamplers = nn.ModuleList(call.upsampler for call in own)
    owner.swapped_calls = [own.index(call) if call in own else None for call in calls]


class _Exchanging:
    """Stands before the class of a module whose interpolations were exchanged."""

    def forward(self, *args, **kwargs):
        if any(upsampler.guided for upsampler in self.swapped_upsamplers):
            return self._uncompiled(*args, **kwargs)
        return self._exchanged(*args, **kwargs)

    def _exchanged(self, *args, **kwargs):
        where = type(self).__name__
        with Exchange(self.swapped_upsamplers, self.swapped_calls, _no_guide, where, hint=None):
            return super().forward(*args, **kwargs)

    # a compiler does not show who asked for a size
    @torch.compiler.disable
    def _uncompiled(self, *args, **kwargs):
        return self._exchanged(*args, **kwargs)

    def __reduce_ex__(self, protocol):
        # the class has no name that a pickle could find it by
        return _empty, (type(self).__bases__[1],), self.__getstate__()

    def __getstate__(self) -> dict:
        return self.__dict__.copy()


def _no_guide(k: int) -> None:
    return None


@functools.cache
def _swapped(cls: type[nn.Module]) -> type[nn.Module]:
    return type(f'Swapped{cls.__name__}', (_Exchanging, cls), {'__module__': cls.__module__})


def _empty(cls: type[nn.Module]) -> nn.Module:
    swapped = _swapped(cls)
    return swapped.__new__(swapped)
