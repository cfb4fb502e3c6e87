"""What newer PyTorch and the continuation's package names break in the stack, mended."""

import numpy as np
import torch
from mmengine.config import utils as config_utils
from mmengine.logging import HistoryBuffer
from mmengine.utils import digit_version

from .frameworks import is_distributed_as
from .panoptic import stand_in


def mend_stack() -> None:
    """Makes resuming, ``mmseg::`` bases and panoptic configs work; called by ``import mmdyup``.

    - PyTorch loads tensors alone from 2.6 on unless told which classes are safe. mmengine's
      checkpoints also hold the log's history: those few classes are allowed here, and the
      protection stays on.
    - mmengine looks for ``mmseg::`` configs in a distribution called mmsegmentation, which the
      maintained continuation is not.
    - mmdet's panoptic data set and metric import panopticapi, which no package index carries: where
      it is not installed, they find the little they call of it in ``panoptic``.
    """
    allow_history_in_checkpoints()
    if not is_distributed_as('mmsegmentation'):
        config_utils.MODULE2PACKAGE['mmseg'] = 'mmseg'
    stand_in()


def allow_history_in_checkpoints() -> None:
    """Lets ``torch.load(weights_only=True)`` read mmengine's ``HistoryBuffer``."""
    if digit_version(torch.__version__) < digit_version('2.6'):
        return
    reconstruct = np.zeros(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    torch.serialization.add_safe_globals(
        [
            HistoryBuffer,
            np.ndarray,
            np.dtype,
            *(type(np.dtype(name)) for name in ('float64', 'float32', 'int64', 'int32')),
            # checkpoints written under numpy 1 and 2 name the same functions differently
            *(
                (function, f'numpy.{core}.multiarray.{function.__name__}')
                for function in (reconstruct, scalar)
                for core in ('core', '_core')
            ),
            (_history_method, 'builtins.getattr'),
        ]
    )


def _history_method(owner: type, name: str) -> object:
    """Stands for ``getattr`` in a checkpoint, where only a buffer's own statistics need it."""
    if owner is not HistoryBuffer or name not in ('min', 'max', 'current', 'mean'):
        raise ValueError(
            f'The checkpoint asks for {name!r} of {owner!r}, which training with '
            'mmengine does not write; do not load it unless you trust its source.'
        )
    return getattr(owner, name)
