"""Blockwise neighbourhood scores as an operator of PyTorch's, as reassembly is."""

import torch
from torch import Tensor

from .autograd import register_backward
from .parts import each_part, score_part, score_part_backward
from .tensors import compute_dtype, memory_format_of


@torch.library.custom_op('mmdyup::neighborhood_scores', mutates_args=())
def score_neighborhoods(query: Tensor, key: Tensor, kernel_size: int, scale_factor: int) -> Tensor:
    """See :func:`mmdyup.ops.neighborhood_scores`; arguments are taken as checked."""
    scores = _empty_result(query, key, kernel_size, scale_factor)
    dtype = compute_dtype(query, key)
    with torch.autocast(query.device.type, enabled=False):
        for query_part, key_part, scores_part in each_part(1, query, key, scores):
            score_part(key_part, query_part, scores_part, kernel_size, scale_factor, dtype)
    return scores


@score_neighborhoods.register_fake
def _empty_result(query, key, kernel_size, scale_factor):
    n, _, large_h, large_w = query.shape
    return torch.empty(
        (n, kernel_size**2, large_h, large_w),
        dtype=query.dtype,
        device=query.device,
        memory_format=memory_format_of(query),
    )


@torch.library.custom_op('mmdyup::neighborhood_scores_backward', mutates_args=())
def _score_neighborhoods_backward(
    grad_scores: Tensor, query: Tensor, key: Tensor, kernel_size: int, scale_factor: int
) -> tuple[Tensor, Tensor]:
    grad_query, grad_key = torch.empty_like(query), torch.empty_like(key)
    dtype = compute_dtype(query, key)
    with torch.autocast(query.device.type, enabled=False):
        for parts in each_part(1, key, query, grad_scores, grad_key, grad_query):
            score_part_backward(*parts, kernel_size, scale_factor, dtype)
    return grad_query, grad_key


@_score_neighborhoods_backward.register_fake
def _empty_gradients(grad_scores, query, key, kernel_size, scale_factor):
    return torch.empty_like(query), torch.empty_like(key)


register_backward(score_neighborhoods, _score_neighborhoods_backward)
