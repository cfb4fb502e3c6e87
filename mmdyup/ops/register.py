"""The one way to make an operator with a gradient, on every PyTorch from 2.1 on.

An operator is known to PyTorch's dispatcher under ``mmdyup::name``, so that a graph holds it whole.
``torch.library.custom_op`` would do the same from 2.4 on, at twice the cost of a call.
"""

import inspect
from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils import flop_counter

from . import backends
from .backends import Results

_LIBRARY = torch.library.Library('mmdyup', 'DEF')
# What torch.compile asks of an operator: that its fake result is right, that strides are kept.
_TAGS = ('pt2_compliant_tag', 'needs_fixed_stride_order')

# Arguments that say what the result is and who makes it; a backend is not handed them.
_ABOUT_RESULT = ('dtype', 'channels_last', 'backend')

Gradient = Callable[..., tuple[Tensor | None, ...]]


def register(
    schema: str,
    package: str,
    empty: Callable[..., Results],
    gradient: Gradient | str,
    multiply_adds: Callable[..., int],
) -> Callable[..., Results]:
    """Makes an operator.

    Args:
        schema: Name, arguments and results in PyTorch's notation: tensors first, the backend last.
        package: The folder in which a backend's file has a function of the operator's name. The
            function takes the arguments, less those about the result, and then room for every
            result, which it fills, or it is marked by :func:`mmdyup.ops.backends.returns_results`.
        empty: That room, from all arguments. It stands for the results while a graph is recorded,
            and is the result where a batch is empty.
        gradient: ``gradient(grad, needed, *arguments)``, the gradients of the leading arguments
            from that of the one result; ``needed`` says of each argument whether its gradient is
            needed, and others are dropped. Or the sentence that is raised where one is asked for.
        multiply_adds: Their number, from the arguments, for
            ``torch.utils.flop_counter.FlopCounterMode``, which takes two operations for each.

    Returns:
        The operator, to be called with positional arguments.
    """
    name = schema.split('(')[0]
    _define(schema)
    op = getattr(torch.ops.mmdyup, name).default
    handed = sum(argument.name not in _ABOUT_RESULT for argument in op._schema.arguments)

    def run(*args):
        if not args[0].numel():
            return empty(*args)
        return backends.run(package, name, args[-1], args[:handed], lambda: empty(*args))

    _LIBRARY.impl(name, run, 'CompositeExplicitAutograd')
    _LIBRARY.impl(name, empty, 'Meta')  # which fake tensors of a recorded graph have too
    _LIBRARY.impl(name, _with_gradient(op, gradient), 'Autograd')
    _count_flops(op.overloadpacket, lambda *args, **_: 2 * multiply_adds(*args))
    return op


def _define(schema: str) -> None:
    tags = [getattr(torch.Tag, tag) for tag in _TAGS if hasattr(torch.Tag, tag)]
    takes_tags = 'tags' in inspect.signature(_LIBRARY.define).parameters
    _LIBRARY.define(schema, **(dict(tags=tags) if takes_tags else {}))


def _count_flops(op: Callable, count: Callable[..., int]) -> None:
    if hasattr(flop_counter, 'register_flop_formula'):
        flop_counter.register_flop_formula(op, get_raw=True)(count)
        return

    def count_from_shapes(*args, **_):
        return count(
            *(torch.empty(a, device='meta') if isinstance(a, torch.Size) else a for a in args)
        )

    flop_counter.flop_mapping[op] = count_from_shapes  # PyTorch 2.1


def _with_gradient(op: Callable, gradient: Gradient | str) -> Callable:
    """``op`` as autograd calls it."""
    num_tensors = sum('Tensor' in str(argument.type) for argument in op._schema.arguments)

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *args):
            ctx.save_for_backward(*args[:num_tensors])
            ctx.others = args[num_tensors:]
            with torch._C._AutoDispatchBelowAutograd():
                return op(*args)

        @staticmethod
        def backward(ctx, *grads):
            if isinstance(gradient, str):
                raise NotImplementedError(gradient)
            args = (*ctx.saved_tensors, *ctx.others)
            needed = ctx.needs_input_grad
            known = gradient(*grads, needed, *args)
            known = (z if is_needed else None for z, is_needed in zip(known, needed, strict=False))
            known = tuple(known)
            return (*known, *(None,) * (len(args) - len(known)))

    def call(*args):
        if forward_ad._current_level >= 0:
            _refuse_tangents(args[:num_tensors])
        if torch.is_grad_enabled():
            for arg in args[:num_tensors]:
                if arg is not None and arg.requires_grad:
                    return Function.apply(*args)
        with torch._C._AutoDispatchBelowAutograd():
            return op(*args)

    return call


def _refuse_tangents(tensors: tuple[Tensor | None, ...]) -> None:
    for tensor in tensors:
        if tensor is not None and forward_ad.unpack_dual(tensor).tangent is not None:
            raise NotImplementedError(
                "mmdyup's operators have no forward-mode derivative; use torch.autograd.grad, or "
                "backend='reference'."
            )
