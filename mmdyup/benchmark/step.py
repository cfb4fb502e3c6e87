import itertools

import torch
from torch import Tensor

from .subject import Subject

DIRECTIONS = ('forward', 'forward_backward')


class Step:
    """One call of a subject: what is timed, and whose memory is counted.

    Args:
        subject: What is called.
        direction: 'forward' (without a graph for gradients) or 'forward_backward' (the gradients
            of the inputs and the parameters too).
        inputs: Sets of inputs that the calls take in turn.
        grad: The gradient that comes in from above, of the result's shape.
    """

    def __init__(
        self, subject: Subject, direction: str, inputs: list[tuple[Tensor, ...]], grad: Tensor
    ) -> None:
        self.subject = subject
        self.backward = direction == 'forward_backward'
        self.inputs = itertools.cycle(inputs)
        self.grad = grad

    def __call__(self) -> Tensor | tuple[Tensor, ...]:
        inputs = next(self.inputs)
        if not self.backward:
            with torch.no_grad():
                return self.subject.run(*inputs)
        y = self.subject.run(*inputs)
        # the result is part of the peak, and the caller of an upsampler holds it as well
        return y, *torch.autograd.grad(y, (*inputs, *self.subject.parameters), self.grad)
