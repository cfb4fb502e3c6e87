from torch import Tensor

from ..ops import carafe, point_sample
from ..ops.checks import check_divides, check_input, check_odd
from ..ops.tensors import compute_dtype, softmax_kernels
from .base import Upsampler, backend_beside
from .dysample import bilinear_start
from .init import constant_init, normal_init
from .points import CellSampling, cells_as_points
from .pointwise import Pointwise
from .registry import register


@register
class FRFU(CellSampling, Upsampler):
    """FRFU (code published by its authors in 2025; no paper was found).

    Every output position takes one bilinear sample, as in DySample; a 3×3 reassembly then works
    on the sampled map itself. Offsets and kernels are each scaled by a mask in 0..1. At
    initialization it is bilinear interpolation, then a box blur.

    The start is that of the authors' detectors. Their detection neck overwrites it, so that the
    published detectors started from ::

        init_cfg=dict(type='Xavier', layer='Conv2d', distribution='uniform')

    and their SegFormer from ::

        init_cfg=dict(type='Constant', layer='Conv2d', val=0, override=[
            dict(type='Normal', name='offset', std=0.001),
            dict(type='Normal', name='sample_kernel', std=0.005)])

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more.
        groups: Groups of channels that share their offsets, g; divides C.
        up_kernel: Size k of the reassembly kernels, odd.
        backend: Passed to :func:`mmdyup.ops.point_sample` and :func:`mmdyup.ops.carafe`.
        init_cfg: mmengine's initialization config, applied after the start.

    Raises:
        TypeError: A number is not an integer.
        ValueError: The groups do not divide C, or the kernel size is even.
    """

    variants = {'frfu': {}}
    fine_kernels = True

    def __init__(
        self,
        in_channels: int,
        scale_factor: int = 2,
        groups: int = 4,
        up_kernel: int = 3,
        backend: str = 'auto',
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(in_channels, scale_factor, init_cfg)
        check_divides('groups', groups, in_channels)
        check_odd('up_kernel', up_kernel)
        self.groups = groups
        self.backend = backend
        self.offset, self.offset_mask = (
            Pointwise(in_channels, 2 * groups * scale_factor**2) for _ in range(2)
        )
        self.sample_kernel, self.kernel_mask = (
            Pointwise(in_channels, up_kernel**2) for _ in range(2)
        )
        start = bilinear_start(scale_factor, groups)
        self.register_buffer('start', start, persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.start.copy_(bilinear_start(self.scale_factor, self.groups))
        for conv in (self.offset, self.sample_kernel):
            constant_init(conv, 0)
        for mask in (self.offset_mask, self.kernel_mask):
            normal_init(mask, std=0.001)

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """(N, C, H, W) to (N, C, sH, sW), in the dtype and memory format of ``x``."""
        check_input(self, 'x', x, self.in_channels)
        samples = self._samples(x)
        return carafe(samples, self._logits(samples), 1, 1, self.backend, softmax=True)

    def _samples(self, x: Tensor) -> Tensor:
        s = self.scale_factor
        # an offset of 1 is a pixel of the result
        backend = backend_beside(self.backend)
        offsets = self._by_cell(_masked(self.offset(x), self.offset_mask(x)))
        return point_sample(x, offsets, s, self.groups, backend, scale=1 / s, start=self.start)

    def _by_cell(self, z: Tensor) -> Tensor:
        """Channels as :func:`mmdyup.ops.point_sample` orders them."""
        # group, place, coordinate: as the authors' checkpoints order channels
        places = z.unflatten(1, (self.groups, self.scale_factor**2, 2))
        return places.permute(0, 3, 1, 2, 4, 5).flatten(1, 3)

    def _logits(self, samples: Tensor) -> Tensor:
        return _masked(self.sample_kernel(samples), self.kernel_mask(samples))

    def offsets(self, x: Tensor) -> Tensor:
        """Offsets for :func:`mmdyup.ops.point_sample`, start + offset·σ(mask)/s.

        Args:
            x: (N, C, H, W).

        Returns:
            (N, 2·g·s², H, W), in low-resolution pixels, float32 at least. Channels are ordered by
            coordinate (x, then y), group, place.
        """
        offsets = self._by_cell(_masked(self.offset(x), self.offset_mask(x)))
        return offsets / self.scale_factor + self.start.to(offsets.dtype)

    def scopes(self, x: Tensor) -> Tensor:
        """What offsets in low-resolution pixels are multiplied by, σ(mask), in 0..1.

        Args:
            x: (N, C, H, W).

        Returns:
            (N, g, 1, 2, sH, sW), for the column and the row of every point, float32 at least.
        """
        mask = self.offset_mask(x)
        scopes = self._by_cell(mask.to(compute_dtype(mask)).sigmoid())
        return cells_as_points(scopes, self.scale_factor, self.groups)

    def kernels(self, x: Tensor) -> Tensor:
        """The kernels, (N, k², sH, sW), that sum to one; their taps are pixels of what was sampled.

        Args:
            x: (N, C, H, W).
        """
        return softmax_kernels(self._logits(self._samples(x)), 1)

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, groups={self.groups}'


def _masked(values: Tensor, mask: Tensor) -> Tensor:
    """In float32 at least: rounded to half precision, positions and weights would be off."""
    dtype = compute_dtype(values)
    return values.to(dtype) * mask.to(dtype).sigmoid()
