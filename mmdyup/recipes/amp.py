"""`--amp`: mixed precision."""

import torch


def use_amp(cfg) -> None:
    """Wrap the optimizer of the mmengine Config `cfg`, edited in place, for mixed precision.

    Raises ValueError on a machine without a GPU: mmcv's operators have no bfloat16 there.
    """
    if not torch.cuda.is_available():
        raise ValueError('--amp needs a GPU: leave it out when training on the CPU.')
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
