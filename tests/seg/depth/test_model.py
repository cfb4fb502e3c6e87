"""DepthFormer's backbone, neck and head, each against what it is said to be."""

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip('mmseg')
pytest.importorskip('mmdet')
from mmengine.registry import init_default_scope  # noqa: E402
from mmseg.models.backbones import SwinTransformer  # noqa: E402
from mmseg.models.decode_heads.decode_head import BaseDecodeHead  # noqa: E402
from mmseg.registry import MODELS  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402

from mmdyup.seg import depth  # noqa: E402
from mmdyup.seg.depth import DepthFormerSwin, DyDenseDepthHead, HAHINeck  # noqa: E402
from mmdyup.testing import NeckContract  # noqa: E402


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


@pytest.mark.parametrize('name', ['DepthFormerSwin', 'HAHINeck', 'DyDenseDepthHead'])
def test_a_config_finds_every_part_by_its_name(name):
    assert MODELS.get(name) is getattr(depth, name)


SWIN = dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=2)


def test_the_backbone_is_swin_beside_a_stem():
    swin, backbone = SwinTransformer(**SWIN), DepthFormerSwin(**SWIN, stem_channels=6)
    for module in (swin, backbone):
        module.eval()
    rest = backbone.load_state_dict(swin.state_dict(), strict=False)
    assert {name.partition('.')[0] for name in rest.missing_keys} == {'stem'}
    x = torch.randn(2, 3, 36, 52)
    stem, *levels = backbone(x)
    assert all(torch.equal(a, b) for a, b in zip(levels, swin(x), strict=True))
    conv, norm = backbone.stem.conv, backbone.stem.bn
    torch.nn.init.normal_(norm.running_mean)
    expected = F.conv2d(x, conv.weight, stride=2, padding=3)
    expected = expected - norm.running_mean[:, None, None]
    expected = expected / (norm.running_var[:, None, None] + norm.eps).sqrt()
    torch.testing.assert_close(backbone(x)[0], expected.relu())
    assert stem.shape == (2, 6, 18, 26)


def test_starts_from_published_weights_of_swin(tmp_path):
    swin = SwinTransformer(**SWIN)
    torch.save(dict(state_dict=swin.state_dict()), tmp_path / 'swin.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'swin.pth'))
    backbone = DepthFormerSwin(**SWIN, init_cfg=init_cfg)
    backbone.init_weights()
    for name, value in swin.state_dict().items():
        assert torch.equal(backbone.state_dict()[name], value), name


def bilinear(map_, x, y):
    """The value of a (C, H, W) map at (x, y), pixel (0, 0) being at its centre; 0 outside."""
    height, width = map_.shape[1:]
    value = map_.new_zeros(len(map_))
    x0, y0 = int(x // 1), int(y // 1)
    for row in (y0, y0 + 1):
        for column in (x0, x0 + 1):
            if 0 <= row < height and 0 <= column < width:
                weight = (1 - abs(x - column)) * (1 - abs(y - row))
                value = value + weight * map_[:, row, column]
    return value


def attend(attention, query, place, point, levels):
    """Deformable attention of one query by loops: (C,) from (C,), and maps (C, H, W)."""
    heads, points = attention.num_heads, attention.num_points
    width = len(query) // heads
    moved = query + place
    offsets = attention.sampling_offsets(moved).view(heads, len(levels), points, 2)
    weights = attention.attention_weights(moved).view(heads, -1).softmax(-1)
    weights = weights.view(heads, len(levels), points)
    gathered = torch.zeros_like(query)
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        for i, level in enumerate(levels):
            values = attention.value_proj(level.permute(1, 2, 0)).permute(2, 0, 1)[part]
            h, w = level.shape[1:]
            for k in range(points):
                x = point[0] * w + offsets[head, i, k, 0] - 0.5
                y = point[1] * h + offsets[head, i, k, 1] - 0.5
                gathered[part] += weights[head, i, k] * bilinear(values, x.item(), y.item())
    return attention.output_proj(gathered) + query


def test_the_neck_is_deformable_attention_by_loops():
    channels = [4, 6, 8]
    neck = HAHINeck(channels, embed_dims=8, num_heads=2, num_points=2).eval()
    neck.init_weights()
    for attention in (neck.self_attention, neck.cross_attention):
        torch.nn.init.normal_(attention.sampling_offsets.weight, std=0.1)
        torch.nn.init.normal_(attention.attention_weights.weight)
    neck = neck.double()
    inputs = [torch.randn(1, c, *size).double() for c, size in zip(
        channels, [(6, 8), (3, 4), (2, 2)], strict=True)]  # fmt: skip
    maps = [conv(x) for conv, x in zip(neck.laterals, inputs, strict=True)]
    stem, *levels = [conv(x)[0] for conv, x in zip(neck.projections, maps, strict=True)]

    def places(x):
        mask = torch.zeros((1, *x.shape[-2:]), dtype=torch.bool)
        return neck.positions(mask)[0].double()

    attended = []
    for x, embedding in zip(levels, neck.level_embed, strict=True):
        _, h, w = x.shape
        out = torch.zeros_like(x)
        for row in range(h):
            for column in range(w):
                point = ((column + 0.5) / w, (row + 0.5) / h)
                place = places(x)[:, row, column] + embedding
                out[:, row, column] = attend(
                    neck.self_attention, x[:, row, column], place, point, levels
                )
        attended.append(out)
    out = torch.zeros_like(stem)
    for row in range(stem.shape[1]):
        for column in range(stem.shape[2]):
            place = places(stem)[:, row, column]
            point = neck.reference_points(place).sigmoid().tolist()
            out[:, row, column] = attend(
                neck.cross_attention, stem[:, row, column], place, point, attended
            )
    expected = [
        conv(torch.cat([part[None], lateral], 1))
        for conv, part, lateral in zip(neck.fusions, [out, *attended], maps, strict=True)
    ]
    for own, other in zip(neck(tuple(inputs)), expected, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-6)


def test_the_neck_takes_any_size_and_has_a_gradient_everywhere():
    neck = HAHINeck([4, 6, 8], embed_dims=8, num_heads=2, num_points=2)
    neck.init_weights()
    inputs = [torch.randn(2, c, *size) for c, size in ((4, (9, 7)), (6, (5, 4)), (8, (3, 2)))]
    outs = neck(tuple(inputs))
    assert [x.shape for x in outs] == [x.shape for x in inputs]
    sum(x.square().sum() for x in outs).backward()
    for name, parameter in neck.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    with pytest.raises(ValueError, match='3 levels are expected, but 2 are given'):
        neck(tuple(inputs[:2]))


class Plain(DyDenseDepthHead):
    """The head of the paper in a few lines, with the convolutions of ours."""

    def __init__(self, **args):
        super().__init__(**args)
        del self.upsample_modules

    def forward(self, inputs):
        x = self.reduce(inputs[-1])
        for fine, (first, second) in zip(inputs[-2::-1], self.fusions[::-1], strict=True):
            size = fine.shape[-2:]
            x = F.interpolate(x, size, mode='bilinear', align_corners=self.align_corners)
            for block in (first, second):
                conv = block.conv
                x = torch.cat((x, fine), 1) if block is first else x
                x = F.leaky_relu(F.conv2d(x, conv.weight, conv.bias, padding=1), 0.01)
        return self.conv_seg(x).clamp(min=0) + 0.001


class TestDyDenseDepthHead(NeckContract):
    part, parent = DyDenseDepthHead, Plain
    args = dict(in_channels=[32, 64, 32, 64, 96])
    in_channels = args['in_channels']
    upsamplers = [(64, 2), (32, 2), (64, 2), (96, 2)]
    is_head = True
    plain = dict(type='bilinear', align_corners=True)

    def build(self, upsample_cfg=None, **options):
        head = super().build(upsample_cfg, **options)
        # else the ReLU hides much of what comes out
        torch.nn.init.constant_(head.conv_seg.bias, 3)
        return head

    def test_it_starts_bilinear_with_aligned_corners(self):
        assert self.build().upsample_cfg == dict(type='bilinear', align_corners=True)
        assert isinstance(self.build(), BaseDecodeHead)

    def test_a_guide_is_the_finer_level(self, recorder):
        head, levels = self.build(dict(type=recorder)), self.levels((16, 16))
        head(levels)
        for upsampler, level in zip(head.upsample_modules, levels[:-1], strict=True):
            assert torch.equal(upsampler.guide, level)

    def test_the_loss_is_taken_at_the_size_of_the_truth(self):
        head = self.build()
        pred = head(self.levels((8, 8)))
        samples = []
        for value in (1.0, 2.0):
            truth = torch.full((1, 32, 32), value)
            truth[:, :10] = 0
            sample = SegDataSample()
            sample.set_data(dict(gt_depth_map=truth_of(truth)))
            samples.append(sample)
        (loss,) = head.loss_by_feat(pred, samples).values()
        resized = F.interpolate(pred, (32, 32), mode='bilinear', align_corners=True)
        g = torch.cat(
            [resized[i, 0, 10:].log() - torch.tensor(v).log() for i, v in enumerate((1.0, 2.0))]
        )
        torch.testing.assert_close(loss, (g.var() + 0.15 * g.mean() ** 2).sqrt())


def truth_of(data):
    from mmengine.structures import PixelData

    return PixelData(data=data)
