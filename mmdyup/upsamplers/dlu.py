from torch import Tensor

from ..ops import expand_and_reassemble, expand_kernels
from ..ops.checks import check_input
from ..ops.tensors import cell_centres, compute_dtype, pixel_shuffle, softmax_kernels
from .init import constant_init, normal_init, xavier_init
from .points import CentredSampling, pairs_as_points
from .reassembly import CompressedReassembly
from .registry import register


@register
class DLU(CentredSampling, CompressedReassembly):
    """Dynamic Lightweight Upsampling (Fu et al., ICPR 2024).

    CARAFE whose encoder makes kernels for low-resolution positions only; learned offsets then
    sample the kernel of every output position from that small space. At initialization the
    offsets are zero, and every cell's positions share its kernel.

    Takes the arguments of :class:`CompressedReassembly`.
    """

    variants = {'dlu': {}}

    def add_encoders(self) -> None:
        self.kernel_space_generator = self.encoder(self.up_group * self.up_kernel**2)
        self.conv_offset = self.encoder(2 * self.up_group * self.scale_factor**2)

    def reset_parameters(self) -> None:
        xavier_init(self.channel_compressor)
        normal_init(self.kernel_space_generator, std=0.001)
        constant_init(self.conv_offset, 0)

    def kernel_space(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Small kernels (N, G·k², H, W) that sum to one, and offsets (N, 2G, sH, sW)."""
        z = self.channel_compressor(x)
        return softmax_kernels(self.kernel_space_generator(z), self.up_group), self._offsets(z)

    def offsets(self, x: Tensor) -> Tensor:
        """Offsets for :func:`mmdyup.ops.expand_kernels` (section 3.2).

        Args:
            x: (N, C, H, W).

        Returns:
            (N, 2·G, sH, sW), pairs (x, y) in low-resolution pixels from the centre of the cell,
            group by group.
        """
        return self._offsets(self.channel_compressor(x))

    def _offsets(self, z: Tensor) -> Tensor:
        return pixel_shuffle(self.conv_offset(z), self.scale_factor)

    def points(self, x: Tensor) -> Tensor:
        """Where every output position samples the small space of kernels.

        Args:
            x: (N, C, H, W).

        Returns:
            (N, G, 1, 2, sH, sW), columns and rows in pixels of ``x``, float32 at least. Beyond the
            border the border is read.
        """
        offsets = self.offsets(x)
        dtype = compute_dtype(offsets)
        centres = cell_centres(x, self.scale_factor, dtype)
        return pairs_as_points(offsets.to(dtype), self.up_group) + centres

    def kernels(self, x: Tensor) -> Tensor:
        """The kernels that the points have sampled, (N, G·k², sH, sW), that sum to one."""
        return expand_kernels(
            *self.kernel_space(x), self.scale_factor, self.up_group, self.backend_of_kernels
        )

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """(N, C, H, W) to (N, C, sH, sW), in the dtype and memory format of ``x``."""
        check_input(self, 'x', x, self.in_channels)
        return expand_and_reassemble(
            x, *self.kernel_space(x), self.scale_factor, self.up_group, self.backend
        )
