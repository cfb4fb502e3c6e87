import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops import carafe, neighborhood_scores, point_sample
from ..ops.backends import is_exported
from ..ops.checks import check_divides, check_odd, check_positive_int
from ..ops.tensors import (
    compute_dtype,
    join_cells,
    memory_format_of,
    softmax_kernels,
    split_cells,
)
from .base import check_guide
from .init import constant_init, normal_init, xavier_init
from .points import Sampling, cells_as_points
from .pointwise import Pointwise
from .reassembly import GuidedReassembly
from .registry import register

# of a 5×5 window, numbered row by row, the 3×3 pixels at dilation 2 without the centre
_WINDOW = 5
_NEIGHBOURS = (0, 2, 4, 10, 14, 20, 22, 24)
# the least length, as in PyTorch's cosine similarity
_EPS = 1e-8
# where each of those pixels begins in a map with two pixels of margin, and how far from its end
_SHIFTS = [(slice(a, a - 4 or None), slice(b, b - 4 or None)) for a in (0, 2, 4) for b in (0, 2, 4)]
del _SHIFTS[4]


@register
class FreqFusion(Sampling, GuidedReassembly):
    """Frequency-aware Feature Fusion (Chen et al., TPAMI 2024); it changes the finer level too.

    Low-pass kernels, made of both levels, upsample the coarse one. What is upsampled is sampled
    anew, at offsets that local similarities make. High-pass kernels sharpen the finer level:
    :meth:`meet` and :meth:`fuse` return both. In between stand two rounds on the compressed
    features: the finer one is sharpened first, and the coarse one's logits are upsampled by the
    finer one's kernels. A window is a Hamming window, the outer product of ``numpy.hamming(k)``;
    the kernels are a softmax times it, normalized.

    The start is that of the paper's layers: Xavier-uniform, with encoders of a standard deviation
    of 0.001, offsets of 0.001 and scopes of 0. The authors' detectors overwrote that of offsets
    and scopes by Xavier, and the published numbers come from there::

        init_cfg=dict(
            type='Xavier', layer='Conv2d', distribution='uniform',
            override=[dict(type='Normal', name='content_encoder', std=0.001),
                      dict(type='Normal', name='content_encoder2', std=0.001)])

    States of the authors' module load.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more; the authors' is 2.
        guide_channels: Channels Cf of the guide; C where it is None.
        up_kernel: Size of the low-pass kernels, odd.
        highpass_kernel: Size of the high-pass kernels, odd.
        compressed_channels: Channels m in which the two are compared, 8 or more; (C + Cf) / 8,
            rounded down, where it is None. A norm has m / 8 groups, rounded down.
        groups: Groups of channels that share their offsets; divides C.
        similarity_alone: Makes the offsets of the similarities alone and their scopes of the
            normalized features alone, as the authors' code for segmentation does.
        norm_features: Normalizes what the offsets are made of; the authors' panoptic detectors
            do not.
        backend: Passed to :func:`mmdyup.ops.carafe` and the other operators.
        init_cfg: mmengine's initialization config, applied after the paper's start.

    Raises:
        TypeError: A number is not an integer.
        ValueError: A kernel size is even, ``groups`` do not divide C, or the norms' groups do not
            divide the compressed channels.
    """

    variants = {'freqfusion': {}}

    def __init__(
        self,
        in_channels: int,
        scale_factor: int = 2,
        guide_channels: int | None = None,
        up_kernel: int = 5,
        highpass_kernel: int = 3,
        compressed_channels: int | None = None,
        groups: int = 4,
        similarity_alone: bool = False,
        norm_features: bool = True,
        backend: str = 'auto',
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(in_channels, scale_factor, guide_channels, up_kernel, backend, init_cfg)
        check_odd('highpass_kernel', highpass_kernel)
        check_divides('groups', groups, in_channels)
        m = compressed_channels
        if m is None:
            m = (in_channels + self.guide_channels) // 8
        else:
            check_positive_int('compressed_channels', m)
        if m < 8 or m % (m // 8):
            raise ValueError(
                'FreqFusion normalizes compressed_channels // 8 groups, which cannot divide '
                f'{m} compressed channels: set compressed_channels to a multiple of 8.'
            )
        # the authors' names: hr is the finer feature, the second encoder the high-pass one
        self.hr_channel_compressor = Pointwise(self.guide_channels, m)
        self.lr_channel_compressor = Pointwise(in_channels, m)
        self.content_encoder = nn.Conv2d(m, up_kernel**2, 3, padding=1)
        self.content_encoder2 = nn.Conv2d(m, highpass_kernel**2, 3, padding=1)
        self.dysampler = OffsetGenerator(m, scale_factor, groups, similarity_alone, norm_features)
        self.register_buffer('hamming_lowpass', torch.empty(1, 1, up_kernel, up_kernel))
        self.register_buffer('hamming_highpass', torch.empty(1, 1, *(highpass_kernel,) * 2))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for conv in (self.hr_channel_compressor, self.lr_channel_compressor):
            xavier_init(conv)
        for conv in (self.content_encoder, self.content_encoder2):
            normal_init(conv, std=0.001)
        self.dysampler.reset_parameters()
        for window in (self.hamming_lowpass, self.hamming_highpass):
            line = torch.hamming_window(window.shape[-1], periodic=False, dtype=torch.float64)
            window.copy_(line[:, None] * line)

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        """The upsampled feature alone, (N, C, sH, sW); see :meth:`fuse`."""
        check_guide(self, x, guide)
        lowpass, *_, coarse, fine = self._filter(x, guide)
        return self._resampled(x, lowpass, coarse, fine)

    def fuse(self, x: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
        """Upsamples the feature and sharpens the finer one, for the two to be merged.

        Args:
            x: (N, C, H, W).
            guide: The finer feature, (N, Cf, sH, sW).

        Returns:
            (N, C, sH, sW) and (N, Cf, sH, sW), in the dtypes and memory formats of ``x`` and of
            ``guide``.

        Raises:
            ValueError: There is no guide, or it has another shape or device.
        """
        check_guide(self, x, guide)
        lowpass, high, of_coarse, coarse, fine = self._filter(x, guide)
        highpass = self._highpass(lowpass, high, of_coarse)
        y = self._resampled(x, lowpass, coarse, fine)
        return y, self._sharpened(guide, highpass)

    def kernels(self, x: Tensor, guide: Tensor) -> Tensor:
        """The low-pass kernels, (N, k², sH, sW), that sum to one."""
        return self._filter(x, guide)[0]

    def highpass_kernels(self, x: Tensor, guide: Tensor) -> Tensor:
        """What the finer level is sharpened by: twice the level less what these make of it.

        Args:
            x: (N, C, H, W).
            guide: The finer feature, (N, Cf, sH, sW).

        Returns:
            (N, kh², sH, sW), which sum to one; their taps are pixels of the finer level.
        """
        return self._highpass(*self._filter(x, guide)[:3])

    def offsets(self, x: Tensor, guide: Tensor) -> Tensor:
        """How far from its own position every output position samples what was upsampled.

        Args:
            x: (N, C, H, W).
            guide: The finer feature, (N, Cf, sH, sW).

        Returns:
            (N, 2·g, sH, sW), in low-resolution pixels, float32 at least. Channels are ordered by
            coordinate (x, then y), group.
        """
        *_, coarse, fine = self._filter(x, guide)
        return self.dysampler(coarse, fine, self.backend_of_kernels)

    def points(self, x: Tensor, guide: Tensor) -> Tensor:
        """Where every output position samples what was upsampled.

        Args:
            x: (N, C, H, W).
            guide: The finer feature, (N, Cf, sH, sW).

        Returns:
            (N, g, 1, 2, sH, sW), columns and rows in pixels of ``x``, float32 at least. Beyond the
            border the border is read.
        """
        points = cells_as_points(self.offsets(x, guide), 1, self.dysampler.groups)
        return points + self.start_points(x).to(points.dtype)

    def scopes(self, x: Tensor, guide: Tensor) -> Tensor:
        """What the offsets are multiplied by, in 0..1.

        Args:
            x: (N, C, H, W).
            guide: The finer feature, (N, Cf, sH, sW).

        Returns:
            (N, g, 1, 2, sH, sW), for the column and the row of every point, float32 at least.
        """
        *_, coarse, fine = self._filter(x, guide)
        _, scopes = self.dysampler.offsets_and_scopes(coarse, fine, self.backend_of_kernels)
        return cells_as_points(scopes, 1, self.dysampler.groups)

    def _highpass(self, lowpass: Tensor, high: Tensor, of_coarse: Tensor) -> Tensor:
        return softmax_kernels(high + self._upsampled(of_coarse, lowpass), 1)

    def _filter(self, x: Tensor, guide: Tensor) -> tuple[Tensor, ...]:
        """Low-pass kernels, high-pass logits (fine, coarse), compressed features (coarse, fine)."""
        fine, coarse = (
            compressor(z).contiguous(memory_format=_format_between(z))
            for compressor, z in (
                (self.hr_channel_compressor, guide),
                (self.lr_channel_compressor, x),
            )
        )
        low_encoder, high_encoder = self.content_encoder, self.content_encoder2
        high = _windowed(fine, high_encoder, self.hamming_highpass)
        fine = self._sharpened(fine, softmax_kernels(high, 1))
        low = _windowed(fine, low_encoder, self.hamming_lowpass)
        of_coarse = _together(coarse, low_encoder, high_encoder)
        low_of_coarse, high_of_coarse = of_coarse.split([self.up_kernel**2, high.shape[1]], 1)
        low += self._upsampled(low_of_coarse, softmax_kernels(low, 1))
        return softmax_kernels(low, 1), high, high_of_coarse, coarse, fine

    def _upsampled(self, x: Tensor, kernels: Tensor) -> Tensor:
        return carafe(x, kernels, 1, self.scale_factor, self.backend)

    def _sharpened(self, x: Tensor, lowpass: Tensor) -> Tensor:
        """Twice ``x`` less what low-pass kernels make of it, in one reassembly."""
        centre = lowpass.shape[1] // 2
        twice = F.pad(lowpass.new_full((1, 1, 1), 2), (0, 0, 0, 0, centre, centre))
        return carafe(x, twice - lowpass, 1, 1, self.backend)

    def _resampled(self, x: Tensor, lowpass: Tensor, coarse: Tensor, fine: Tensor) -> Tensor:
        return point_sample(
            carafe(
                x, lowpass, 1, self.scale_factor, self.backend, memory_format=_format_between(x)
            ),
            self.dysampler(coarse, fine, self.backend_of_kernels),
            1,
            self.dysampler.groups,
            self.backend_of_kernels,
            scale=float(self.scale_factor),
            memory_format=memory_format_of(x),
        )

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        # the authors' start of the offsets, which ours leave out
        state_dict.pop(f'{prefix}dysampler.init_pos', None)
        super()._load_from_state_dict(state_dict, prefix, *args)


class OffsetGenerator(nn.Module):
    """Where FreqFusion samples what it upsampled: away from what is unlike its neighbourhood.

    A feature's similarities are the 8 cosines of a pixel to its 3×3 neighbours at dilation 2,
    0 outside. Offsets are scaled by a sigmoid of scopes; both are the sum of a convolution of the
    fine feature and one of the coarse feature, pixel-shuffled.

    Args:
        channels: Channels m of both features.
        scale_factor: The ratio s.
        groups: Groups of channels that share their offsets.
        similarity_alone: See :class:`FreqFusion`.
        norm_features: See :class:`FreqFusion`.
    """

    def __init__(
        self,
        channels: int,
        scale_factor: int,
        groups: int,
        similarity_alone: bool,
        norm_features: bool,
    ) -> None:
        super().__init__()
        self.scale_factor = scale_factor
        self.groups = groups
        self.similarity_alone = similarity_alone
        similarities = len(_NEIGHBOURS)
        to_offset = similarities if similarity_alone else channels + similarities
        to_scope = channels if similarity_alone else channels + similarities
        large, small = 2 * groups * scale_factor**2, 2 * groups
        self.offset = nn.Conv2d(to_offset, large, 3, padding=1)
        self.direct_scale = nn.Conv2d(to_scope, large, 3, padding=1)
        self.hr_offset = nn.Conv2d(to_offset, small, 3, padding=1)
        self.hr_direct_scale = nn.Conv2d(to_scope, small, 3, padding=1)
        self.norm_hr, self.norm_lr = (
            nn.GroupNorm(channels // 8, channels) if norm_features else nn.Identity()
            for _ in range(2)
        )

    def reset_parameters(self) -> None:
        for conv in (self.offset, self.hr_offset):
            normal_init(conv, std=0.001)
        for conv in (self.direct_scale, self.hr_direct_scale):
            constant_init(conv, 0)
        for norm in (self.norm_hr, self.norm_lr):
            constant_init(norm, 1)

    def forward(self, coarse: Tensor, fine: Tensor, backend: str) -> Tensor:
        """(N, m, H, W) and (N, m, sH, sW) to offsets in low-resolution pixels, (N, 2g, sH, sW)."""
        offset, scope = self.offsets_and_scopes(coarse, fine, backend)
        return offset * scope

    def offsets_and_scopes(
        self, coarse: Tensor, fine: Tensor, backend: str
    ) -> tuple[Tensor, Tensor]:
        """Offsets before they are scaled, and what scales them, (N, 2g, sH, sW) each."""
        maps = []
        for z, norm, offset, scope in (
            (coarse, self.norm_lr, self.offset, self.direct_scale),
            (fine, self.norm_hr, self.hr_offset, self.hr_direct_scale),
        ):
            z = norm(z)
            similarities = _similarities(z, backend)
            if self.similarity_alone:
                maps.append(torch.cat((offset(similarities), scope(z)), 1))
            else:
                maps.append(_together(torch.cat((z, similarities), 1), offset, scope))
        of_coarse, of_fine = (z.to(compute_dtype(z)) for z in maps)
        # the coarse map is pixel-shuffled as it is added
        places = of_coarse.unflatten(1, (-1, self.scale_factor, self.scale_factor))
        cells = split_cells(of_fine, self.scale_factor) + places.permute(0, 1, 4, 2, 5, 3)
        offset, scope = join_cells(cells).chunk(2, 1)
        return offset, scope.sigmoid()


def _format_between(z: Tensor) -> torch.memory_format:
    """For what is made and then read here: on a CPU all of it takes less time in channels-last."""
    on_cpu = z.device.type == 'cpu' and not is_exported()
    return torch.channels_last if on_cpu else memory_format_of(z)


def _together(z: Tensor, *convs: nn.Conv2d) -> Tensor:
    """What the convolutions make of ``z``, in their order; one is faster than several of few
    channels."""
    weight, bias = (torch.cat([getattr(c, name) for c in convs]) for name in ('weight', 'bias'))
    return F.conv2d(z, weight, bias, padding=convs[0].padding)


def _windowed(z: Tensor, encoder: nn.Conv2d, window: Tensor) -> Tensor:
    """Logits whose softmax is that of the encoder's times the window, normalized."""
    dtype = compute_dtype(z)
    window = window.to(dtype).log().flatten()
    if z.dtype is dtype:
        return F.conv2d(z, encoder.weight, encoder.bias + window, padding=encoder.padding)
    # rounded to half precision, sums of logits would be off by percents of a kernel's weight
    return encoder(z).to(dtype) + window.view(-1, 1, 1)


def _similarities(z: Tensor, backend: str) -> Tensor:
    """Cosines: products with neighbours, by the lengths of both; outside they are 0."""
    z_ = z.to(compute_dtype(z))
    products = neighborhood_scores(z_, z_, _WINDOW, 1, backend)
    centre = _WINDOW**2 // 2
    # a pixel's product with itself is its length's square
    shares = products[:, centre : centre + 1].clamp(min=_EPS**2).rsqrt()
    padded = F.pad(shares, (2, 2, 2, 2))
    shares = shares * torch.cat([padded[..., rows, columns] for rows, columns in _SHIFTS], 1)
    # where the channels lie side by side, so do those of the result
    picked = products.permute(0, 2, 3, 1)[..., _NEIGHBOURS].permute(0, 3, 1, 2)
    return (picked * shares).to(z.dtype)
