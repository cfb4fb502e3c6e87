import pytest

pytest.importorskip('mmdet')
from mmengine.hub import get_config  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402

from recipes.checks import check_weights  # noqa: E402
from recipes.config import is_pretrained, train_from_scratch  # noqa: E402


@pytest.mark.parametrize(
    'name',
    [
        'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
        'mask_rcnn/mask-rcnn_r50-caffe_fpn_1x_coco.py',
    ],
)
def test_everything_learns_and_nothing_is_loaded(name, monkeypatch):
    from mmdet.registry import MODELS

    init_default_scope('mmdet')
    cfg = get_config(f'mmdet::{name}')
    cfg.load_from = 'https://somewhere/weights.pth'
    train_from_scratch(cfg)
    assert cfg.load_from is None
    monkeypatch.setattr('urllib.request.urlopen', _no_network)
    check_weights(cfg)
    model = MODELS.build(cfg.model).train()
    assert all(parameter.requires_grad for parameter in model.parameters())
    norms = [m for m in model.modules() if type(m).__name__ == 'BatchNorm2d']
    assert norms and all(norm.training for norm in norms)


def test_other_initializations_stay():
    cfg = get_config('mmdet::retinanet/retinanet_r50_fpn_1x_coco.py')
    cfg.model.bbox_head.init_cfg = dict(type='Normal', layer='Conv2d', std=0.01)
    train_from_scratch(cfg)
    assert cfg.model.bbox_head.init_cfg.type == 'Normal'
    assert cfg.model.backbone.init_cfg is None


def test_is_pretrained_looks_into_lists():
    assert is_pretrained([dict(type='Normal'), dict(type='Pretrained', checkpoint='x')])
    assert not is_pretrained(None)
    assert not is_pretrained(dict(type='Normal'))


def _no_network(*args, **kwargs):
    raise AssertionError('the network was asked')
