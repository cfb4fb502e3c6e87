import torch
import torch.nn.functional as F
from mmcv.ops.carafe import CARAFEPack

from mmdyup import CARAFE
from mmdyup.ops import carafe


def test_parameters_of_the_paper():
    counts = {s: sum(p.numel() for p in CARAFE(256, s).parameters()) for s in (2, 4, 8, 16)}
    assert counts == {2: 74_148, 4: 247_248, 8: 939_648, 16: 3_709_248}


def test_takes_the_state_of_mmcvs_pack():
    pack, ours = CARAFEPack(32, 2, up_group=2), CARAFE(32, 2, up_group=2)
    torch.nn.init.normal_(pack.content_encoder.weight, std=0.1)
    ours.load_state_dict(pack.state_dict(), strict=True)
    x = torch.randn(2, 32, 5, 6)
    # the pack's own way to its kernels; its reassembly runs on CUDA alone
    m = pack.kernel_normalizer(pack.content_encoder(pack.channel_compressor(x)))
    torch.testing.assert_close(ours.kernels(x), m)
    torch.testing.assert_close(ours(x), carafe(x, m, 2, backend='reference'))


def test_constant_kernels_are_a_box_filter():
    upsampler = CARAFE(8, 2, up_kernel=3)
    torch.nn.init.zeros_(upsampler.content_encoder.weight)
    x = torch.randn(1, 8, 5, 4)
    expected = F.interpolate(F.avg_pool2d(x, 3, 1, 1), scale_factor=2)
    torch.testing.assert_close(upsampler(x), expected)
