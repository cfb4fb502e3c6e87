from collections import OrderedDict

from torch import Tensor, nn

from ..ops import carafe
from ..ops.checks import check_positive_int
from ..ops.tensors import compute_dtype, fill_cells
from .base import check_guide
from .init import xavier_init
from .pointwise import Pointwise
from .reassembly import GuidedReassembly
from .registry import register


@register
class FADE(GuidedReassembly):
    """Fusing the Assets of Decoder and Encoder (Lu et al., ECCV 2022).

    One encoder looks at the finer feature and at the coarse one; the sum of its two answers makes
    the kernels (semi-shift convolution). A gate then blends the finer feature itself in. The
    authors' checkpoints load.

    Args:
        in_channels: Channels C of the feature.
        scale_factor: The upsampling ratio s, 1 or more.
        guide_channels: Channels Cf of the guide; C where it is None.
        up_kernel: Size k of the reassembly kernels, odd.
        compressed_channels: Channels that the 1×1 compressors leave; FADE-Lite's leave k².
        gate: Blends the guide in, which then has C channels.
        lite: FADE-Lite: the encoder is depthwise.
        backend: Passed to :func:`mmdyup.ops.carafe`.
        init_cfg: mmengine's initialization config, applied after the paper's start.

    Raises:
        TypeError: A number is not an integer.
        ValueError: The kernel size is even, or a gate meets a guide of other channels.
    """

    variants = {'fade': {}, 'fade_no_gate': dict(gate=False), 'fade_lite': dict(lite=True)}

    def __init__(
        self,
        in_channels: int,
        scale_factor: int = 2,
        guide_channels: int | None = None,
        up_kernel: int = 5,
        compressed_channels: int = 64,
        gate: bool = True,
        lite: bool = False,
        backend: str = 'auto',
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(in_channels, scale_factor, guide_channels, up_kernel, backend, init_cfg)
        check_positive_int('compressed_channels', compressed_channels)
        if gate and self.guide_channels != in_channels:
            raise ValueError(
                f'FADE blends its guide of {self.guide_channels} channels into a '
                f'feature of {in_channels} by a gate, for which these must be equal; '
                'set gate=False.'
            )
        self.ker_generator = SemiShift(
            in_channels,
            self.guide_channels,
            scale_factor,
            up_kernel,
            None if lite else compressed_channels,
        )
        self.gate_generator = (
            nn.Sequential(OrderedDict(conv=Pointwise(in_channels, 1), sigmoid=nn.Sigmoid()))
            if gate
            else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                xavier_init(module)

    def logits(self, x: Tensor, guide: Tensor) -> Tensor:
        return self.ker_generator(x, guide)

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        check_guide(self, x, guide)
        gate = self.gates(x)
        if gate is None:
            return self.reassemble(x, guide)
        gate = fill_cells(gate.to(compute_dtype(gate)), self.scale_factor)
        # the kernels take the feature's share: they have fewer channels than what they make
        kernels = (1 - gate) * self.kernels(x, guide)
        y = carafe(x, kernels, 1, self.scale_factor, self.backend)
        return y.addcmul_(guide.to(y.dtype), gate.to(y.dtype))

    def gates(self, x: Tensor, guide: Tensor | None = None) -> Tensor | None:
        """The share of the guide in the result: G in y' = G·guide + (1 − G)·y.

        Args:
            x: (N, C, H, W).
            guide: Not looked at.

        Returns:
            (N, 1, H, W) in 0..1, or None without a gate.
        """
        return None if self.gate_generator is None else self.gate_generator(x)


class SemiShift(nn.Module):
    """Logits of kernels: an encoder's answer to the guide plus that to the feature.

    Args:
        in_channels: Channels C of the feature.
        guide_channels: Channels Cf of the guide.
        scale_factor: The ratio s.
        kernel_size: Size k of the kernels.
        compressed_channels: Channels that the encoder sees; None gives it k² and makes it
            depthwise, as in FADE-Lite.
    """

    def __init__(
        self,
        in_channels: int,
        guide_channels: int,
        scale_factor: int,
        kernel_size: int,
        compressed_channels: int | None,
    ) -> None:
        super().__init__()
        self.scale_factor = scale_factor
        out_channels = kernel_size**2
        groups = out_channels if compressed_channels is None else 1
        compressed_channels = compressed_channels or out_channels
        self.compressor_en = Pointwise(guide_channels, compressed_channels)
        self.compressor_de = Pointwise(in_channels, compressed_channels, bias=False)
        self.content_encoder = nn.Conv2d(
            compressed_channels, out_channels, 3, padding=1, groups=groups
        )

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """(N, C, H, W) and (N, Cf, sH, sW) to (N, k², sH, sW), float32 at least."""
        fine = self.content_encoder(self.compressor_en(guide))
        coarse = self.content_encoder(self.compressor_de(x))
        # rounded to half precision, the sum would be off by percents of a kernel's weight
        return fine.to(compute_dtype(fine)) + fill_cells(coarse, self.scale_factor)
