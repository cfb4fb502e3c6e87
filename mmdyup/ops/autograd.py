from collections.abc import Callable

from torch import Tensor


def register_backward(op: Callable, backward: Callable[..., tuple[Tensor, ...]]) -> None:
    """Makes ``backward(grad, *inputs)`` the gradient of a custom operator of one result.

    Args:
        op: What ``torch.library.custom_op`` made; its inputs are tensors, then all else.
        backward: Another such operator, from the result's gradient and the same inputs to the
            gradients of the first inputs; the others have none. Nothing but the inputs is kept
            for it.
    """

    def save_inputs(ctx, inputs, output):
        tensors = [value for value in inputs if isinstance(value, Tensor)]
        ctx.others = inputs[len(tensors) :]
        ctx.save_for_backward(*tensors)

    def gradients(ctx, grad):
        inputs = (*ctx.saved_tensors, *ctx.others)
        known = backward(grad, *inputs)
        return (*known, *(None for _ in inputs[len(known) :]))

    op.register_autograd(gradients, setup_context=save_inputs)
