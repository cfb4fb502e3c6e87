"""A small backbone in place of a large one of the same kind."""

from ..scratch import is_pretrained

EMBED_DIMS = 16


def shrink_backbone(backbone: dict) -> float:
    """Make the `backbone` config small, in place, and return by how much the channels of its
    outputs shrank (0.25: a quarter of what they were).

    Raises ValueError for a backbone that is neither a ResNet, nor a MixVisionTransformer, nor one
    of the YOLO family's.
    """
    kind = backbone.type.rsplit('.', 1)[-1]
    if kind.startswith('ResNet') and 'depth' in backbone:
        return _resnet18(backbone, kind)
    if kind == 'MixVisionTransformer':
        return _mit(backbone)
    if 'widen_factor' in backbone:
        return _csp(backbone)
    raise ValueError(
        f'--tiny cannot shrink the backbone {kind}, only ResNets, MixVisionTransformers and those '
        'with a widen_factor: leave --tiny out and set the sizes with --cfg-options.'
    )


def _resnet18(backbone: dict, kind: str) -> float:
    """At half width, unless it starts from the published weights of the full one."""
    ratio = 0.25 if backbone.depth >= 50 else 1.0
    backbone.depth = 18
    if is_pretrained(backbone.get('init_cfg')):
        weights = 'open-mmlab://resnet18_v1c' if kind == 'ResNetV1c' else 'torchvision://resnet18'
        backbone.init_cfg = dict(type='Pretrained', checkpoint=weights)
        return ratio
    for key in ('base_channels', 'stem_channels'):
        backbone[key] = (backbone.get(key) or 64) // 2
    return ratio / 2


def _mit(backbone: dict) -> float:
    ratio = EMBED_DIMS / backbone.embed_dims
    # there are no published weights of this size
    backbone.update(embed_dims=EMBED_DIMS, init_cfg=None, num_layers=[1, 1, 1, 1])
    return ratio


def _csp(backbone: dict) -> float:
    ratio = 0.25 / backbone.widen_factor
    backbone.widen_factor = 0.25
    backbone.deepen_factor = 0.33
    # there are no published weights of this size
    backbone.init_cfg = None
    return ratio
