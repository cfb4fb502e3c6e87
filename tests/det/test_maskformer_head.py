"""MaskFormer's heads, mmdet's and mmseg's, and what their pixel decoder upsamples with."""

import copy

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

pytest.importorskip('mmdet')
from mmdet.models.dense_heads import MaskFormerHead  # noqa: E402
from mmdet.structures import DetDataSample  # noqa: E402

from mmdyup.det import (  # noqa: E402
    DyMaskFormerHead,
    DyPixelDecoder,
    DyTransformerEncoderPixelDecoder,
)

ATTENTION = dict(embed_dims=32, num_heads=2, dropout=0.0, batch_first=True)
ARGS = ConfigDict(
    in_channels=[32, 64, 32, 64],
    feat_channels=32,
    out_channels=32,
    num_things_classes=2,
    num_stuff_classes=1,
    num_queries=5,
    pixel_decoder=dict(type='mmdet.PixelDecoder'),
    positional_encoding=dict(num_feats=16, normalize=True),
    transformer_decoder=dict(
        num_layers=1,
        layer_cfg=dict(
            self_attn_cfg=ATTENTION,
            cross_attn_cfg=ATTENTION,
            ffn_cfg=dict(embed_dims=32, feedforward_channels=32, ffn_drop=0.0),
        ),
    ),
    loss_cls=dict(type='mmdet.CrossEntropyLoss', class_weight=[1.0, 1.0, 1.0, 0.1]),
    loss_mask=dict(type='mmdet.FocalLoss', loss_weight=20.0),
    loss_dice=dict(type='mmdet.DiceLoss', naive_dice=True),
)
SAMPLES = [DetDataSample(metainfo=dict(img_shape=(64, 96), batch_input_shape=(64, 96)))] * 2


def heads():
    """Our head and its parent, of each framework that is here."""
    found = [pytest.param(DyMaskFormerHead, MaskFormerHead, {}, id='mmdet')]
    try:
        from mmseg.models.decode_heads import MaskFormerHead as OfMMSeg

        from mmdyup.seg import DyMaskFormerHead as Ours
    except ImportError:
        return found
    return [*found, pytest.param(Ours, OfMMSeg, dict(num_classes=3), id='mmseg')]


def levels():
    sizes = [(64 // s, 96 // s) for s in (4, 8, 16, 32)]
    return [torch.randn(2, c, *size) for c, size in zip(ARGS.in_channels, sizes, strict=True)]


@pytest.mark.parametrize('ours, parent, options', heads())
@pytest.mark.parametrize('channels', [64, 32])
def test_nearest_is_the_parent(ours, parent, options, channels):
    """With the projection that the parent gives to a PixelDecoder alone, and without."""
    feats = levels()
    feats[-1] = feats[-1][:, :channels]
    args = ConfigDict(ARGS, in_channels=[32, 64, 32, channels])
    parent, ours = parent(**args, **options).eval(), ours(**args, **options).eval()
    parent.init_weights()
    ours.load_state_dict(parent.state_dict(), strict=True)
    assert ('decoder_input_proj.weight' in ours.state_dict()) == (channels == 64)
    for own, other in zip(ours(feats, SAMPLES), parent(feats, SAMPLES), strict=True):
        assert torch.equal(own, other)
    assert ours.upsample_cfg == ours.pixel_decoder.upsample_cfg == dict(type='nearest')


@pytest.mark.parametrize('ours, parent, options', heads())
@pytest.mark.parametrize('kind', ['DySample', 'SAPA'])
def test_a_gradient_everywhere(ours, parent, options, kind):
    head = ours(**ARGS, **options, upsample_cfg=dict(type=kind))
    head.init_weights()
    assert isinstance(head.pixel_decoder, DyPixelDecoder)
    if kind == 'DySample':
        for upsampler in head.pixel_decoder.upsample_modules:
            std = upsampler.offset.weight.std().item()
            torch.testing.assert_close(std, 0.001, rtol=0.2, atol=0)
    scores, masks = head(levels(), SAMPLES)
    assert masks.shape == (1, 2, 5, 16, 24)
    (scores.square().sum() + masks.square().sum()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_another_decoder():
    args = ConfigDict(ARGS, pixel_decoder=dict(type='mmdet.MSDeformAttnPixelDecoder'))
    with pytest.raises(ValueError, match=r"is a MSDeformAttnPixelDecoder: .*'mmdet.PixelDec"):
        DyMaskFormerHead(**args)


@pytest.mark.parametrize('said', [None, dict(type='nearest')], ids=str)
def test_a_transformer_encoder_before_the_path(said):
    encoder = dict(
        num_layers=1,
        layer_cfg=dict(
            self_attn_cfg=ATTENTION,
            ffn_cfg=dict(embed_dims=32, feedforward_channels=32, ffn_drop=0.0),
        ),
    )
    kind = dict(type='mmdet.TransformerEncoderPixelDecoder', encoder=encoder)
    positions = dict(num_feats=16, normalize=True)
    args = ConfigDict(ARGS, pixel_decoder=dict(kind, positional_encoding=positions))
    ours = DyMaskFormerHead(**copy.deepcopy(args), upsample_cfg=said).eval()
    parent = MaskFormerHead(**args).eval()
    parent.init_weights()
    ours.load_state_dict(parent.state_dict(), strict=True)
    assert type(ours.pixel_decoder) is DyTransformerEncoderPixelDecoder
    levels = [torch.randn(2, c, 16 // 2**i, 24 // 2**i) for i, c in enumerate(ARGS.in_channels)]
    with torch.no_grad():
        for a, b in zip(ours(levels, SAMPLES), parent(levels, SAMPLES), strict=True):
            assert torch.equal(a, b)


def test_a_config_of_the_head_stays_as_it_is():
    args = ConfigDict(ARGS, pixel_decoder=dict(type='mmdet.PixelDecoder'))
    DyMaskFormerHead(**args, upsample_cfg=dict(type='DySample'))
    assert args.pixel_decoder == dict(type='mmdet.PixelDecoder')


@pytest.mark.parametrize('divisor', [None, 32])
def test_masks_of_a_padded_picture_lie_where_the_picture_does(divisor):
    """One mask, of the left half of what comes in, and its class."""
    pytest.importorskip('mmseg')
    from mmseg.models import EncoderDecoder
    from mmseg.models.data_preprocessor import SegDataPreProcessor
    from mmseg.structures import SegDataSample

    from mmdyup.seg import DyMaskFormerHead

    head = DyMaskFormerHead(**ARGS, num_classes=3)

    def forward(x, samples):
        scores, masks = torch.full((1, 1, 5, 4), -9.0), torch.full((1, 1, 5, *x.shape[-2:]), -9.0)
        scores[..., 0, 1] = 9.0
        masks[..., 0, :, : x.shape[-1] // 2] = 9.0
        return scores, masks

    head.forward = forward
    preprocessor = SegDataPreProcessor(test_cfg=divisor and dict(size_divisor=divisor))
    sample = SegDataSample(metainfo=dict(ori_shape=(40, 48), img_shape=(40, 48)))
    data = preprocessor(dict(inputs=[torch.zeros(3, 40, 48)], data_samples=[sample]))
    x, metas = data['inputs'], [data['data_samples'][0].metainfo]
    scores = head.predict(x, metas, ConfigDict(mode='whole'))
    assert scores.shape[-2:] == x.shape[-2:] == ((64, 64) if divisor else (40, 48))
    model = type('Model', (), dict(align_corners=False, out_channels=3))()
    (found,) = EncoderDecoder.postprocess_result(model, scores, data['data_samples'])
    marked = found.pred_sem_seg.data[0] == 1
    assert marked.shape == (40, 48)
    half = 32 if divisor else 24
    assert marked[:, : half - 2].all() and not (scores[0, 1, :40, half + 2 : 48] > 0.5).any()


def test_targets_are_mmdets():
    """Its loss runs through the exchanged decoder."""
    head = DyMaskFormerHead(
        **ARGS,
        upsample_cfg=dict(type='DySample'),
        train_cfg=ConfigDict(
            assigner=dict(
                type='mmdet.HungarianAssigner',
                match_costs=[dict(type='mmdet.ClassificationCost')],
            ),
            sampler=dict(type='mmdet.MaskPseudoSampler'),
        ),
    )
    masks = torch.zeros(2, 64, 96, dtype=torch.long)
    masks[0, :30], masks[1, 30:] = 1, 1
    instances = [InstanceData(labels=torch.tensor([0, 2]), masks=masks)] * 2
    losses = head.loss_by_feat(*head(levels(), SAMPLES), instances, [{}] * 2)
    assert all(loss.isfinite() for loss in losses.values())
