from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor


def check_num_levels(levels: Sequence[Tensor], num_levels: int) -> None:
    """Raises ValueError unless there are ``num_levels`` levels."""
    if len(levels) != num_levels:
        raise ValueError(
            f'{num_levels} levels are expected, but {len(levels)} are given; make '
            'the config name as many levels as come in.'
        )


def check_pyramid(levels: Sequence[Tensor]) -> None:
    """Raises ValueError unless every level is half the size of the one before, rounded either
    way."""
    sizes = [tuple(x.shape[-2:]) for x in levels]
    for fine, coarse in pairwise(sizes):
        if any(abs(2 * a - b) > 1 for a, b in zip(coarse, fine, strict=True)):
            raise ValueError(
                f'The levels {coarse} and {fine} are not 2 times apart; choose '
                'backbone outputs whose strides are.'
            )
