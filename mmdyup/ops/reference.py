"""The operators as plain loops, straight from their formulas: what every fast way must equal.

They have gradients like everything in PyTorch, and are slow: for tests and small pictures.
"""

import torch
from torch import Tensor

from .tensors import compute_dtype, memory_format_of


def carafe(x: Tensor, kernels: Tensor, kernel_size: int, groups: int, scale_factor: int) -> Tensor:
    """y[c, u, v] = Σ_ab m[γ(c)·k² + a·k + b, u, v] · x[c, ⌊u/s⌋ + a − r, ⌊v/s⌋ + b − r]."""
    dtype = compute_dtype(x, kernels)
    n, c, h, w = x.shape
    k, r, s = kernel_size, kernel_size // 2, scale_factor
    m = kernels.to(dtype).unflatten(1, (groups, k, k))
    xg = x.to(dtype).unflatten(1, (groups, c // groups))
    columns = []
    for u in range(s * h):
        for v in range(s * w):
            y = xg.new_zeros(xg.shape[:3])
            for a in range(k):
                for b in range(k):
                    row, column = u // s + a - r, v // s + b - r
                    if 0 <= row < h and 0 <= column < w:
                        y = y + m[:, :, None, a, b, u, v] * xg[..., row, column]
            columns.append(y.flatten(1))
    return _as_map(columns, x, s)


def point_sample(x: Tensor, offsets: Tensor, scale: float, start: Tensor | None) -> Tensor:
    """Each group at (⌊v/s⌋ + o_x, ⌊u/s⌋ + o_y), o of place (u mod s, v mod s) = start + scale·…"""
    dtype = compute_dtype(x)
    n, c, h, w = x.shape
    groups, s = offsets.shape[2:4]
    o = scale * offsets.to(dtype)
    if start is not None:
        o = start.to(dtype)[..., None, None] + o
    xg = x.to(dtype).unflatten(1, (groups, c // groups))
    columns = []
    for u in range(s * h):
        for v in range(s * w):
            o_x, o_y = o[:, :, :, u % s, v % s, u // s, v // s].unbind(1)
            columns.append(_bilinear(xg, v // s + o_x, u // s + o_y).flatten(1))
    return _as_map(columns, x, s)


def expand_kernels(kernels: Tensor, offsets: Tensor, scale_factor: int, groups: int) -> Tensor:
    """m[group, :, u, v] = the bilinear sample of q[group] at (⌊v/s⌋ + o_x, ⌊u/s⌋ + o_y)."""
    dtype = compute_dtype(kernels)
    n, c, h, w = kernels.shape
    s = scale_factor
    o = offsets.to(dtype).unflatten(1, (groups, 2))
    q = kernels.to(dtype).unflatten(1, (groups, c // groups))
    columns = []
    for u in range(s * h):
        for v in range(s * w):
            o_x, o_y = o[:, :, :, u, v].unbind(2)
            columns.append(_bilinear(q, v // s + o_x, u // s + o_y).flatten(1))
    return _as_map(columns, kernels, s)


def neighborhood_scores(query: Tensor, key: Tensor, kernel_size: int, scale_factor: int) -> Tensor:
    """m[a·k + b, u, v] = ⟨Q[:, u, v], K[:, ⌊u/s⌋ + a − r, ⌊v/s⌋ + b − r]⟩."""
    dtype = compute_dtype(query, key)
    n, _, h, w = key.shape
    k, r, s = kernel_size, kernel_size // 2, scale_factor
    q, keys = query.to(dtype), key.to(dtype)
    columns = []
    for u in range(s * h):
        for v in range(s * w):
            scores = []
            for a in range(k):
                for b in range(k):
                    row, column = u // s + a - r, v // s + b - r
                    inside = 0 <= row < h and 0 <= column < w
                    scores.append(
                        (q[..., u, v] * keys[..., row, column]).sum(1) if inside else q.new_zeros(n)
                    )
            columns.append(torch.stack(scores, 1))
    return _as_map(columns, key, s).to(query.dtype, memory_format=memory_format_of(query))


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    positions: Tensor,
    groups: int,
    heads: int,
    bias: Tensor | None,
) -> Tensor:
    """y = Σ_n a_n x(p_n) with a = softmax over n of b_n + ⟨q, k(p_n)⟩ for each head."""
    dtype = compute_dtype(query, key, value)
    n, _, large_h, large_w = query.shape
    p = positions.to(dtype).unflatten(1, (groups, -1, 2))
    k, x = (z.to(dtype).unflatten(1, (groups, -1)) for z in (key, value))
    columns = []
    for u in range(large_h):
        for v in range(large_w):
            # (N, groups, P, channels of a group)
            keys, values = (_zero_padded(z, *p[..., u, v].unbind(-1)) for z in (k, x))
            products = query.to(dtype)[..., u, v].unflatten(1, (groups, 1, -1)) * keys
            logits = products.sum(3).unflatten(1, (heads, -1)).sum(2)
            if bias is not None:
                logits = logits + bias.to(dtype)[..., u, v].unflatten(1, (heads, -1))
            weights = logits.softmax(2).repeat_interleave(groups // heads, 1)
            columns.append((weights[..., None] * values).sum(2).flatten(1))
    return _as_map(columns, value, large_h // value.shape[2])


def _zero_padded(x: Tensor, column: Tensor, row: Tensor) -> Tensor:
    """x (N, G, C, H, W), 0 outside, at the positions (N, G, P): (N, G, P, C)."""
    # the share of a pixel falls with the distance, to 0 at one pixel
    by_row, by_column = (
        (1 - (z[..., None] - torch.arange(n, device=x.device)).abs()).clamp(min=0).nan_to_num(0)
        for z, n in zip((row, column), x.shape[3:], strict=True)
    )
    return torch.einsum('ngpr,ngpq,ngcrq->ngpc', by_row, by_column, x)


def _bilinear(x: Tensor, column: Tensor, row: Tensor) -> Tensor:
    """x (N, G, C, H, W) at the positions (N, G), pixel centres at whole numbers: (N, G, C)."""
    samples = x.new_zeros(x.shape[:3])
    for n in range(x.shape[0]):
        for g in range(x.shape[1]):
            px, py = (
                z[n, g].nan_to_num(0).clamp(0, size - 1)
                for z, size in ((column, x.shape[-1]), (row, x.shape[-2]))
            )
            left, top = int(px), int(py)
            right, bottom = min(left + 1, x.shape[-1] - 1), min(top + 1, x.shape[-2] - 1)
            fx, fy = px - left, py - top
            m = x[n, g]
            samples[n, g] = (1 - fy) * ((1 - fx) * m[:, top, left] + fx * m[:, top, right]) + fy * (
                (1 - fx) * m[:, bottom, left] + fx * m[:, bottom, right]
            )
    return samples


def _as_map(columns: list[Tensor], x: Tensor, scale_factor: int) -> Tensor:
    h, w = x.shape[-2:]
    y = torch.stack(columns, -1).unflatten(-1, (scale_factor * h, scale_factor * w))
    return y.to(x.dtype, memory_format=memory_format_of(x))
