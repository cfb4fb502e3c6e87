"""What takes the place of a parent's transposed convolutions."""

from collections.abc import Sequence

from torch import nn

from ..upsamplers import build_upsampler, find_upsampler
from .interpolation import Restarted, no_guide
from .part import DynamicPart

_OWN = dict(type='deconv')


class DynamicDeconv(Restarted, DynamicPart):
    """Base that stands before a parent that upsamples by ``nn.ConvTranspose2d``.

    Each gives way to an upsampler of its stride, with a 1×1 convolution before it where the
    channels change. Without an ``upsample_cfg``, or with ``dict(type='deconv')``, the parent keeps
    its own.

    Args:
        *args: Those of the parent.
        upsample_cfg: The upsampler, unguided; see :class:`DynamicPart`.
        **kwargs: Those of the parent.

    Raises:
        ValueError: ``upsample_cfg`` names no upsampler, or a guided one.
    """

    def deconvs(self) -> Sequence[str]:
        """Names of the transposed convolutions, those of the prediction left out."""
        return [name for name, m in self.named_modules() if isinstance(m, nn.ConvTranspose2d)]

    def default_upsample_cfg(self) -> dict:
        return _OWN

    def add_upsamplers(self) -> None:
        if self.upsample_cfg == _OWN:
            return
        upsampler, _ = find_upsampler(self.upsample_cfg)
        if upsampler.guided:
            raise no_guide(type(self).__name__, upsampler)
        for name in self.deconvs():
            path, _, last = name.rpartition('.')
            holder = self.get_submodule(path)
            setattr(holder, last, self._in_place_of(getattr(holder, last)))

    def _in_place_of(self, deconv: nn.ConvTranspose2d) -> nn.Module:
        c_in, c_out = deconv.in_channels, deconv.out_channels
        upsampler = build_upsampler(self.upsample_cfg, c_out, deconv.stride[0])
        if c_in == c_out:
            return upsampler
        return nn.Sequential(nn.Conv2d(c_in, c_out, 1), upsampler)
