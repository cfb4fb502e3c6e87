from torch import Tensor

from ..ops.checks import check_positive_int, check_same_device, check_shape
from .reassembly import ReassemblyUpsampler


class GuidedReassembly(ReassemblyUpsampler):
    """What FADE and SAPA share: kernels made of the feature and of a finer one, the guide.

    A subclass defines :meth:`logits` and :meth:`reset_parameters`.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more.
        guide_channels: Channels Cf of the guide; C where it is None.
        up_kernel: Size k of the reassembly kernels, odd.
        backend: Passed to :func:`mmdyup.ops.carafe`.
        init_cfg: mmengine's initialization config, applied after the paper's start.

    Raises:
        TypeError: A number is not an integer.
        ValueError: The kernel size is even, or a number is below 1.
    """

    guided = True

    def __init__(
        self,
        in_channels: int,
        scale_factor: int = 2,
        guide_channels: int | None = None,
        up_kernel: int = 5,
        backend: str = 'auto',
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(in_channels, scale_factor, up_kernel, backend=backend, init_cfg=init_cfg)
        self.guide_channels = in_channels if guide_channels is None else guide_channels
        check_positive_int('guide_channels', self.guide_channels)

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """Upsamples ``x`` by kernels that see both features.

        Args:
            x: (N, C, H, W).
            guide: The finer feature, (N, Cf, sH, sW).

        Returns:
            (N, C, sH, sW), in the dtype and memory format of ``x``.

        Raises:
            ValueError: There is no guide, or it has another shape or device.
        """
        self._check_guide(x, guide)
        return self.reassemble(x, guide)

    def _check_guide(self, x: Tensor, guide: Tensor | None) -> None:
        name = type(self).__name__
        if guide is None:
            raise ValueError(
                f'{name} needs the finer feature as its guide: call it with (x, '
                'guide), or choose an upsampler that is not guided.'
            )
        n, _, h, w = x.shape
        s = self.scale_factor
        check_shape(
            'guide',
            guide,
            (n, self.guide_channels, s * h, s * w),
            f'the finer feature, {s} times the size of x, for {name} with guide_channels='
            f'{self.guide_channels}',
        )
        check_same_device(x, guide=guide)

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, guide_channels={self.guide_channels}'
