from torch import Tensor, nn

from ..ops import carafe
from ..ops.checks import check_divides, check_input, check_odd, check_positive_int
from ..ops.tensors import softmax_kernels
from .base import Upsampler, backend_beside, check_guide
from .pointwise import Pointwise


class ReassemblyUpsampler(Upsampler):
    """What CARAFE, DLU, FADE and SAPA share: reassembly by kernels that a subclass makes.

    A subclass defines :meth:`logits`, or :meth:`kernels` and ``forward``.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more.
        up_kernel: Size k of the reassembly kernels, odd.
        up_group: Groups of channels that share a kernel, G; divides C.
        backend: Passed to :func:`mmdyup.ops.carafe`.
        init_cfg: mmengine's initialization config, applied after the paper's start.

    Raises:
        TypeError: A number is not an integer.
        ValueError: The kernel size is even, or the groups do not divide C.
    """

    def __init__(
        self,
        in_channels: int,
        scale_factor: int = 2,
        up_kernel: int = 5,
        up_group: int = 1,
        backend: str = 'auto',
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(in_channels, scale_factor, init_cfg)
        check_odd('up_kernel', up_kernel)
        check_divides('up_group', up_group, in_channels)
        self.up_kernel = up_kernel
        self.up_group = up_group
        self.backend = backend

    def logits(self, *maps: Tensor) -> Tensor:
        """What a softmax makes kernels: (N, G·k², sH, sW), of all that ``forward`` takes."""
        raise NotImplementedError

    def kernels(self, *maps: Tensor) -> Tensor:
        """Reassembly kernels, (N, G·k², sH, sW), that sum to one."""
        return softmax_kernels(self.logits(*maps), self.up_group)

    def reassemble(self, x: Tensor, *others: Tensor) -> Tensor:
        """``x`` upsampled by the kernels that are made of it and ``others``."""
        return carafe(
            x, self.logits(x, *others), self.up_group, self.scale_factor, self.backend, softmax=True
        )

    @property
    def backend_of_kernels(self) -> str:
        """What makes the kernels."""
        return backend_beside(self.backend)

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, up_kernel={self.up_kernel}, up_group={self.up_group}'


class CompressedReassembly(ReassemblyUpsampler):
    """What CARAFE and DLU share: a compressed feature, kernels made of it, reassembly.

    A subclass defines :meth:`add_encoders` and :meth:`reset_parameters` too.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more.
        up_kernel: Size k of the reassembly kernels, odd.
        up_group: Groups of channels that share a kernel, G; divides C.
        encoder_kernel: Size of the convolutions over the compressed feature, odd.
        encoder_dilation: Their dilation.
        compressed_channels: Channels that the 1×1 compressor leaves, Cm.
        backend: Passed to :func:`mmdyup.ops.carafe`.
        init_cfg: mmengine's initialization config, applied after the paper's start.

    Raises:
        TypeError: A number is not an integer.
        ValueError: A kernel size is even, or the groups do not divide C.
    """

    def __init__(
        self,
        in_channels: int,
        scale_factor: int = 2,
        up_kernel: int = 5,
        up_group: int = 1,
        encoder_kernel: int = 3,
        encoder_dilation: int = 1,
        compressed_channels: int = 64,
        backend: str = 'auto',
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(in_channels, scale_factor, up_kernel, up_group, backend, init_cfg)
        check_odd('encoder_kernel', encoder_kernel)
        check_positive_int('encoder_dilation', encoder_dilation)
        check_positive_int('compressed_channels', compressed_channels)
        self.encoder_kernel = encoder_kernel
        self.encoder_dilation = encoder_dilation
        self.channel_compressor = Pointwise(in_channels, compressed_channels)
        self.add_encoders()
        self.reset_parameters()

    def add_encoders(self) -> None:
        """Adds the convolutions that make kernels, each an :meth:`encoder`."""
        raise NotImplementedError

    def encoder(self, out_channels: int) -> nn.Conv2d:
        """A convolution over the compressed feature that keeps its size."""
        return nn.Conv2d(
            self.channel_compressor.out_channels,
            out_channels,
            self.encoder_kernel,
            padding=(self.encoder_kernel - 1) * self.encoder_dilation // 2,
            dilation=self.encoder_dilation,
        )

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """(N, C, H, W) to (N, C, sH, sW), in the dtype and memory format of ``x``."""
        check_input(self, 'x', x, self.in_channels)
        return self.reassemble(x)


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
        check_guide(self, x, guide)
        return self.reassemble(x, guide)

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, guide_channels={self.guide_channels}'
