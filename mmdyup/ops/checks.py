"""What every operator asks of its arguments, each in one sentence."""

import torch
from torch import Tensor, nn
from torch.fx import Proxy


def check_positive_int(name: str, value: int) -> None:
    """Raises TypeError where ``value`` is no integer, ValueError where it is below 1."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f'{name} must be an integer, but it is {value!r}.')
    if value < 1:
        raise ValueError(f'{name} must be at least 1, but it is {value}.')


def check_number(name: str, value: float) -> None:
    """Raises TypeError where ``value`` is neither a float nor an integer."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f'{name} must be a number, but it is a {type(value).__name__}.')


def check_odd(name: str, value: int) -> None:
    """Raises where ``value`` is not an odd positive integer."""
    check_positive_int(name, value)
    if value % 2 == 0:
        raise ValueError(f'{name} must be odd, so that the kernel has a centre, but it is {value}.')


def check_map(name: str, x: Tensor) -> None:
    """Raises where ``x`` is not a floating tensor (N, C, H, W) with C, H, W at least 1."""
    if not isinstance(x, Tensor):
        remedy = (
            'torch.fx cannot look into mmdyup; take torch.export or torch.compile, or a Tracer '
            'whose is_leaf_module keeps upsamplers whole'
        )
        kind = f'a {type(x).__name__}' + (f' ({remedy})' if isinstance(x, Proxy) else '')
        raise TypeError(f'{name} must be a tensor, but it is {kind}.')
    if not x.is_floating_point():
        raise TypeError(f'{name} must be a floating-point tensor, but its dtype is {x.dtype}.')
    if x.layout != torch.strided:
        raise TypeError(f'{name} must be a dense tensor, but its layout is {x.layout}.')
    if x.dim() != 4:
        raise ValueError(f'{name} must have the shape (N, C, H, W), but it is {_shape(x)}.')
    # a traced shape holds tensors, whose truth would be frozen into the graph
    if not torch.jit.is_tracing() and min(x.shape[1:]) < 1:
        raise ValueError(
            f'{name} needs at least one channel, row and column, but it is {_shape(x)}.'
        )


def check_input(module: nn.Module, name: str, x: Tensor, channels: int) -> None:
    """Raises where ``x`` is no map of ``channels`` channels, or not of the dtype and on the device
    of the module's weights. Autocast has dtypes of its own."""
    check_map(name, x)
    weights = [*module.parameters()]  # PyTorch 2.1 compiles no `next` with a default
    if not weights:
        return
    weight = weights[0]
    built = f'{type(module).__name__} was built for {channels} channels'
    if not torch.jit.is_tracing() and x.shape[1] != channels:
        raise ValueError(f'{built}, but {name} has {x.shape[1]}.')
    if weight.device != x.device:
        raise ValueError(
            f'{name} is on {x.device}, but the weights of {type(module).__name__} are on '
            f'{weight.device}; move them to the same device.'
        )
    if x.dtype != weight.dtype and weight.is_floating_point() and not is_autocast_on(x):
        raise TypeError(
            f'{name} is {x.dtype}, but the weights of {type(module).__name__} are {weight.dtype}; '
            'give both one dtype, or call it under torch.autocast.'
        )


def is_autocast_on(x: Tensor) -> bool:
    if hasattr(torch, 'get_autocast_dtype'):  # PyTorch 2.4 and later
        return torch.is_autocast_enabled(x.device.type)
    return torch.is_autocast_enabled() or torch.is_autocast_cpu_enabled()


def check_shape(name: str, x: Tensor, expected: tuple, why: str) -> None:
    """Raises where ``x`` is not a floating tensor of the shape ``expected``."""
    check_map(name, x)
    if not torch.jit.is_tracing() and tuple(x.shape) != tuple(expected):
        raise ValueError(
            f'{name} must have the shape {tuple(expected)} ({why}), but it is {_shape(x)}.'
        )


def check_divides(name: str, value: int, channels: int) -> None:
    """Raises where ``value`` groups do not divide ``channels`` evenly."""
    check_positive_int(name, value)
    if not torch.jit.is_tracing() and channels % value:
        raise ValueError(f'{name}={value} must divide the {channels} channels evenly.')


def check_memory_format(memory_format: torch.memory_format | None) -> None:
    """Raises unless it is None, or one that maps are made in."""
    if memory_format not in (None, torch.contiguous_format, torch.channels_last):
        raise ValueError(
            'memory_format must be torch.contiguous_format, torch.channels_last or None, but it is '
            f'{memory_format!r}.'
        )


def check_same_device(x: Tensor, **others: Tensor | None) -> None:
    """Raises where one of ``others``, if it is there, lies on another device than ``x``."""
    for name, other in others.items():
        if other is not None and other.device != x.device:
            raise ValueError(
                f'{name} is on {other.device}, but the feature is on {x.device}; '
                'move them to the same device.'
            )


def _shape(x: Tensor) -> tuple:
    return tuple(x.shape)
