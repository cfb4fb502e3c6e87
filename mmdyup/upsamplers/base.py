from mmengine.model import BaseModule
from torch import Tensor

from ..ops.checks import check_positive_int


class Upsampler(BaseModule):
    """What every upsampler is: ``Upsampler(in_channels, scale_factor=2, **own)``.

    A subclass defines :meth:`forward` and :meth:`reset_parameters` and calls the latter at the
    end of its ``__init__``. Set again in :meth:`init_weights`, the start also survives a parent
    whose ``init_cfg`` initializes every convolution below it: mmengine initializes a parent
    first and its children afterwards.

    Args:
        in_channels: Channels C of the feature, which the result has too.
        scale_factor: The upsampling ratio s, 1 or more.
        init_cfg: mmengine's initialization config, applied after the paper's start.

    Raises:
        TypeError: ``in_channels`` or ``scale_factor`` is not an integer.
        ValueError: One of them is below 1.
    """

    #: Whether :meth:`forward` needs ``guide``, the feature of the finer level.
    guided = False

    def __init__(
        self, in_channels: int, scale_factor: int = 2, init_cfg: dict | list | None = None
    ) -> None:
        super().__init__(init_cfg)
        check_positive_int('in_channels', in_channels)
        check_positive_int('scale_factor', scale_factor)
        self.in_channels = in_channels
        self.scale_factor = scale_factor

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """(N, C, H, W) to (N, C, sH, sW); ``guide`` is ignored unless ``guided``."""
        raise NotImplementedError

    def meet(self, x: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        """``x`` at the size of the finer level, and that level as it is to be merged."""
        from .fit import upsample_to

        return upsample_to(self, x, fine), fine

    def reset_parameters(self) -> None:
        """Sets the start that the paper prescribes; nothing where there is nothing to set."""

    def init_weights(self) -> None:
        self.reset_parameters()
        super().init_weights()

    def extra_repr(self) -> str:
        return f'in_channels={self.in_channels}, scale_factor={self.scale_factor}'
