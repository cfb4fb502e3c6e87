"""What the kernels share: where a program and a tile stand, and bilinear samples.

A tile has three axes: columns and channels, with those first that lie side by side in memory, then
rows or taps. ``CHANNEL_AXIS`` is 0 in channels-last, else 1. Where the compiler cannot tell what is
contiguous it gives neighbouring threads the first axis, and each thread all of the last, so that
what does not depend on the latter is read once. Strides are of (N, C, H, W), in elements.
"""
import triton
import triton.language as tl


@triton.jit
def split_index(index, size):
    """A flat index as the one along its innermost axis, of ``size``, and the rest."""
    return index % size, index // size


@triton.jit
def tile_axes(channels, columns, CHANNEL_AXIS: tl.constexpr):
    """Two vectors as axes of a tile."""
    if CHANNEL_AXIS == 0:
        return channels[:, None, None], columns[None, :, None]
    else:
        return channels[None, :, None], columns[:, None, None]


@triton.jit
def clamp_position(position, size):
    """Into 0..size − 1, and not a number to 0, so that no index leaves the map."""
    position = tl.where(position > 0, position, 0.0)
    return tl.where(position < size - 1, position, size - 1)


@triton.jit
def clamp_slope(position, size):
    """The derivative of :func:`clamp_position`."""
    return tl.where((position >= 0) & (position <= size - 1), 1.0, 0.0)


@triton.jit
def find_corners(column, row, h, w, strides, INDEX: tl.constexpr):
    """The four pixels around a position, as offsets, and its fractions between them.

    Positions beyond the border are clamped to it.
    """
    column, row = clamp_position(column, w), clamp_position(row, h)
    left, top = column.to(INDEX), row.to(INDEX)
    right, bottom = tl.minimum(left + 1, w - 1), tl.minimum(top + 1, h - 1)
    return (top * strides[2] + left * strides[3], top * strides[2] + right * strides[3],
            bottom * strides[2] + left * strides[3], bottom * strides[2] + right * strides[3],
            column - left, row - top)


@triton.jit
def load_corners(x, corners, mask, DTYPE: tl.constexpr):
    return (tl.load(x + corners[0], mask=mask, other=0.0).to(DTYPE),
            tl.load(x + corners[1], mask=mask, other=0.0).to(DTYPE),
            tl.load(x + corners[2], mask=mask, other=0.0).to(DTYPE),
            tl.load(x + corners[3], mask=mask, other=0.0).to(DTYPE))


@triton.jit
def sample_bilinear(x, corners, mask, DTYPE: tl.constexpr):
    """The bilinear samples of a plane that starts at ``x``."""
    nw, ne, sw, se = load_corners(x, corners, mask, DTYPE)
    fx, fy = corners[4], corners[5]
    return (1 - fy) * ((1 - fx) * nw + fx * ne) + fy * ((1 - fx) * sw + fx * se)


@triton.jit
def sample_bilinear_backward(x, grad_x, grad, corners, mask, DTYPE: tl.constexpr):
    """Adds to the gradient of the plane; returns those of the clamped column and row."""
    nw, ne, sw, se = load_corners(x, corners, mask, DTYPE)
    fx, fy = corners[4], corners[5]
    tl.atomic_add(grad_x + corners[0], (1 - fy) * (1 - fx) * grad, mask=mask, sem='relaxed')
    tl.atomic_add(grad_x + corners[1], (1 - fy) * fx * grad, mask=mask, sem='relaxed')
    tl.atomic_add(grad_x + corners[2], fy * (1 - fx) * grad, mask=mask, sem='relaxed')
    tl.atomic_add(grad_x + corners[3], fy * fx * grad, mask=mask, sem='relaxed')
    return (grad * ((1 - fy) * (ne - nw) + fy * (se - sw)),
            grad * ((1 - fx) * (sw - nw) + fx * (se - ne)))
