"""Output positions of a cell, up to two rows and two columns of them at a time, as tuples of tiles.

What is read of the cell then serves all of them. Two in a row are one access, so that a warp's
accesses leave no gaps where columns lie side by side in memory. Strides are of (N, C, H, W).
"""

import triton
import triton.language as tl


@triton.jit
def load_places(
    start, strides, mask, ROWS: tl.constexpr, COLUMNS: tl.constexpr, DTYPE: tl.constexpr
):
    """ROWS·COLUMNS tiles, row by row; ``start`` points to the first place."""
    values = ()
    for i in tl.static_range(ROWS):
        if COLUMNS == 2:
            pair = tl.load(
                tl.expand_dims(start, -1) + (i * strides[2] + tl.arange(0, 2) * strides[3]),
                mask=tl.expand_dims(mask, -1),
                other=0.0,
            )
            values = values + tl.split(pair.to(DTYPE))
        else:
            values = values + (tl.load(start + i * strides[2], mask=mask, other=0.0).to(DTYPE),)
    return values


@triton.jit
def store_places(start, strides, values, mask, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Stores what :func:`load_places` would load."""
    for i in tl.static_range(ROWS):
        if COLUMNS == 2:
            tl.store(
                tl.expand_dims(start, -1) + (i * strides[2] + tl.arange(0, 2) * strides[3]),
                tl.join(values[2 * i], values[2 * i + 1]),
                mask=tl.expand_dims(mask, -1),
            )
        else:
            tl.store(start + i * strides[2], values[i], mask=mask)


@triton.jit
def zero_tiles(COUNT: tl.constexpr, like, DTYPE: tl.constexpr):
    """A tuple of tiles of zeros in the shape of ``like``."""
    tiles = ()
    for _ in tl.static_range(COUNT):
        tiles = tiles + (tl.zeros(like.shape, DTYPE),)
    return tiles
