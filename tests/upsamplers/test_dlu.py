import pytest
import torch
import torch.nn.functional as F

from mmdyup import DLU
from mmdyup.ops import carafe, expand_kernels


def test_parameters_of_the_paper():
    counts = {s: sum(p.numel() for p in DLU(256, s).parameters()) for s in (2, 4, 8, 16)}
    assert counts == {2: 35_489, 4: 49_337, 8: 104_729, 16: 326_297}


def test_names_in_checkpoints():
    state = DLU(256).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == {
        'channel_compressor.weight': (64, 256, 1, 1),
        'channel_compressor.bias': (64,),
        'kernel_space_generator.weight': (25, 64, 3, 3),
        'kernel_space_generator.bias': (25,),
        'conv_offset.weight': (8, 64, 3, 3),
        'conv_offset.bias': (8,),
    }


def test_starts_with_one_kernel_a_cell():
    upsampler = DLU(16, 2, up_group=2)
    torch.nn.init.normal_(upsampler.kernel_space_generator.weight)
    x = torch.randn(2, 16, 5, 6)
    q = upsampler.kernel_space_generator(upsampler.channel_compressor(x))
    q = q.view(2, 2, 25, 5, 6).softmax(2).view(2, 50, 5, 6)
    torch.testing.assert_close(
        upsampler.kernels(x), F.interpolate(q, scale_factor=2), atol=1e-5, rtol=1e-5
    )


def test_offsets_are_pairs_after_the_pixel_shuffle():
    upsampler = DLU(16, 2, up_group=2).double()
    for parameter in upsampler.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    x = torch.randn(1, 16, 4, 3, dtype=torch.float64)
    z = upsampler.channel_compressor(x)
    q = upsampler.kernel_space_generator(z).view(1, 2, 25, 4, 3).softmax(2).view(1, 50, 4, 3)
    m = expand_kernels(q, F.pixel_shuffle(upsampler.conv_offset(z), 2), 2, 2, backend='reference')
    torch.testing.assert_close(upsampler(x), carafe(x, m, 2, backend='reference'))


def test_writes_nothing_into_its_input():
    x = torch.randn(1, 16, 4, 3)
    kept = x.clone()
    DLU(16)(x)
    assert torch.equal(x, kept)


def test_the_backend_makes_the_kernels_too():
    x = torch.randn(1, 16, 4, 3)
    with pytest.raises(ValueError, match='backend must be one of .* for expand_kernels'):
        DLU(16, backend='slide rule').kernels(x)
    # mmcv has nothing for them
    assert DLU(16, backend='mmcv').kernels(x).shape == (1, 25, 8, 6)
