"""Fewer channels and fewer proposals."""

from ..walk import walk
from .backbone import shrink_backbone

# a multiple of 32, so that DySample-S's 8 groups still divide a pixel-shuffled feature
NECK_CHANNELS = 64
FC_CHANNELS = 256
CHANNEL_KEYS = ('in_channels', 'out_channels', 'feat_channels', 'conv_out_channels')
# the most candidates that a stage looks at, by the name of the setting
LIMITS = {'nms_pre': 500, 'fc_out_channels': FC_CHANNELS}
PROPOSALS = 200
SAMPLES = 64


def shrink_model(model: dict) -> None:
    """Shrink the `model` config in place: backbone, neck, and every head that reads the neck.

    Raises ValueError when the backbone is of a kind that this recipe does not know.
    """
    ratio = shrink_backbone(model.backbone)
    necks = model.neck if isinstance(model.get('neck'), list) else [model.get('neck')]
    if necks[0] and 'out_channels' in necks[0]:
        necks[0]['in_channels'] = [int(c * ratio) for c in necks[0]['in_channels']]
        _narrow_heads(model, necks, necks[0]['out_channels'])
        necks[0]['out_channels'] = NECK_CHANNELS
    model.data_preprocessor.pop('batch_augments', None)
    for node in walk(model):
        for key, limit in LIMITS.items():
            if key in node:
                node[key] = min(node[key], limit)
    _fewer_proposals(model)
    _smaller_anchors(model)


def _narrow_heads(model: dict, necks: list, old: int) -> None:
    """What was as wide as the neck's output is as narrow as its new output."""
    heads = [part for name, part in model.items() if name not in ('backbone', 'neck')]
    for node in walk([heads, necks[1:]]):
        for key in CHANNEL_KEYS:
            value = node.get(key)
            if value == old:
                node[key] = NECK_CHANNELS
            elif isinstance(value, (list, tuple)) and set(value) == {old}:
                node[key] = [NECK_CHANNELS] * len(value)


def _fewer_proposals(model: dict) -> None:
    train = model.get('train_cfg') or {}
    test = model.get('test_cfg') or {}
    for proposals in (train.get('rpn_proposal'), test.get('rpn')):
        if proposals:
            proposals['max_per_img'] = min(proposals['max_per_img'], PROPOSALS)
    for node in walk(train):
        if 'sampler' in node and 'num' in node['sampler']:
            node['sampler']['num'] = min(node['sampler']['num'], SAMPLES)


def _smaller_anchors(model: dict) -> None:
    """Objects in small pictures are small: anchors, and the boxes that read the finest level, are
    half as wide as in large ones."""
    for node in walk(model):
        for key in ('scales', 'octave_base_scale'):
            value = node.get(key)
            if value and 'strides' in node:
                many = isinstance(value, (list, tuple))
                node[key] = [v / 2 for v in value] if many else value / 2
        if 'featmap_strides' in node and 'roi_layer' in node:
            node['finest_scale'] = node.get('finest_scale', 56) // 2
