import pytest
import torch

pytest.importorskip('mmdet')
from mmengine.hub import get_config  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402

from recipes.config import train_from_scratch, walk  # noqa: E402
from recipes.tiny import follow_length, shrink  # noqa: E402

MODELS_TO_SHRINK = [
    'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
    'mask_rcnn/mask-rcnn_r101_fpn_1x_coco.py',
    'cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py',
    'libra_rcnn/libra-faster-rcnn_r50_fpn_1x_coco.py',
    'retinanet/retinanet_r50_fpn_1x_coco.py',
    'panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py',
    'yolox/yolox_s_8xb8-300e_coco.py',
    'rtmdet/rtmdet_l_8xb32-300e_coco.py',
]


@pytest.fixture(autouse=True)
def mmdet_scope():
    init_default_scope('mmdet')


@pytest.mark.slow
@pytest.mark.parametrize('scratch', [True, False])
@pytest.mark.parametrize('name', MODELS_TO_SHRINK)
def test_the_same_architecture_with_channels_that_fit(name, scratch):
    from mmdet.registry import MODELS

    cfg = get_config(f'mmdet::{name}')
    kinds = [node['type'] for node in walk(cfg.model) if 'type' in node]
    if scratch:
        train_from_scratch(cfg)
    shrink(cfg)
    shrunk = [node['type'] for node in walk(cfg.model) if 'type' in node]
    left_out = {'Pretrained', 'BatchSyncRandomResize', 'SyncBN'}
    assert [k for k in shrunk if k not in left_out] == [k for k in kinds if k not in left_out]

    model = MODELS.build(cfg.model).eval()
    with torch.no_grad():
        features = model.extract_feat(torch.zeros(1, 3, 128, 192))
        heads = [getattr(model, name, None) for name in ('rpn_head', 'bbox_head')]
        for head in filter(None, heads):
            head(features)
        if getattr(model, 'semantic_head', None):
            model.semantic_head(features)
        if getattr(model, 'roi_head', None):
            rois = torch.tensor([[0.0, 4.0, 4.0, 60.0, 50.0]])
            stage = (0,) if 'Cascade' in type(model.roi_head).__name__ else ()
            model.roi_head._bbox_forward(*stage, features, rois)
            if model.roi_head.with_mask:
                model.roi_head._mask_forward(features, rois)
    assert all(feature.shape[1] == 64 for feature in features)


def test_ten_times_fewer_parameters():
    from mmdet.registry import MODELS

    def count(cfg):
        return sum(p.numel() for p in MODELS.build(cfg.model).parameters())

    large = get_config('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py')
    small = get_config('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py')
    train_from_scratch(small)
    shrink(small)
    assert count(small) * 10 < count(large)


def test_published_weights_keep_the_width_they_have():
    cfg = get_config('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py')
    shrink(cfg)
    assert cfg.model.backbone.init_cfg.checkpoint == 'torchvision://resnet18'
    assert cfg.model.backbone.get('base_channels', 64) == 64


def test_an_unknown_backbone():
    cfg = get_config('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py')
    cfg.model.backbone.type = 'HRNet'
    with pytest.raises(ValueError, match='cannot shrink the backbone HRNet'):
        shrink(cfg)


@pytest.mark.parametrize('name', MODELS_TO_SHRINK)
def test_no_picture_is_large(name):
    cfg = get_config(f'mmdet::{name}')
    shrink(cfg)
    sizes = [
        size
        for split in ('train', 'val', 'test')
        for node in walk(cfg[f'{split}_dataloader'].dataset)
        # of which a small picture is cut out
        if node.get('type') != 'RandomResize'
        for key in ('scale', 'scales', 'img_scale', 'crop_size', 'size')
        if key in node
        for size in _numbers(node[key])
    ]
    assert sizes and max(sizes) <= 256


@pytest.mark.parametrize(
    'name, large, cut',
    [
        ('yolox/yolox_s_8xb8-300e_coco.py', ('RandomAffine', 'border'), ('Mosaic', 'img_scale')),
        (
            'rtmdet/rtmdet_l_8xb32-300e_coco.py',
            ('RandomResize', 'scale'),
            ('RandomCrop', 'crop_size'),
        ),
        (
            'mask_rcnn/mask-rcnn_r50_fpn_8xb8-amp-lsj-200e_coco.py',
            ('RandomResize', 'scale'),
            ('RandomCrop', 'crop_size'),
        ),
    ],
)
def test_what_pictures_are_cut_from_stays_as_large_beside_them(name, large, cut):
    def ratio():
        transforms = {node.get('type'): node for node in walk(cfg.train_dataloader.dataset)}
        (a, _), (b, _) = (transforms[kind][key] for kind, key in (large, cut))
        return a / b

    cfg = get_config(f'mmdet::{name}')
    before = ratio()
    shrink(cfg)
    assert ratio() == before


def test_cutting_out_a_part_stays():
    cfg = get_config('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py')
    cut = dict(type='RandomCrop', crop_type='relative_range', crop_size=(0.6, 0.6))
    cfg.train_dataloader.dataset.pipeline.insert(2, cut)
    shrink(cfg)
    assert cfg.train_dataloader.dataset.pipeline[2]['crop_size'] == (0.6, 0.6)


def _numbers(value):
    if isinstance(value, (list, tuple)):
        return [number for item in value for number in _numbers(item)]
    return [value]


def test_the_rate_falls_to_its_end_over_any_number_of_steps(tmp_path):
    """mmengine's own schedulers, run to the end of a changed schedule."""
    from mmengine.registry import PARAM_SCHEDULERS

    for steps in (None, 10, 2000):
        cfg = get_config('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py')
        shrink(cfg)
        if steps:
            cfg.train_cfg.max_iters = steps
        follow_length(cfg)
        steps = cfg.train_cfg.max_iters
        top = cfg.optim_wrapper.optimizer.lr
        optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=top)
        schedulers = [
            PARAM_SCHEDULERS.build(s, default_args=dict(optimizer=optimizer))
            for s in cfg.param_scheduler
        ]
        rates = []
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]['lr'])
            optimizer.step()
            for scheduler in schedulers:
                scheduler.step()
        assert rates[0] < top / 10
        assert max(rates) == pytest.approx(top)
        assert rates[-1] < top / 5
        assert rates.index(max(rates)) < steps / 2 + 1


@pytest.mark.parametrize('steps', [1, 2, 3])
def test_the_shortest_schedules_can_be_built(steps):
    from mmengine.registry import PARAM_SCHEDULERS

    cfg = get_config('mmdet::retinanet/retinanet_r50_fpn_1x_coco.py')
    shrink(cfg)
    cfg.train_cfg.max_iters = steps
    follow_length(cfg)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1)
    for schedule in cfg.param_scheduler:
        PARAM_SCHEDULERS.build(schedule, default_args=dict(optimizer=optimizer))
    assert cfg.param_scheduler[-1].end == cfg.train_cfg.val_interval == steps


def test_hooks_that_wait_for_an_epoch_go():
    cfg = get_config('mmdet::yolox/yolox_s_8xb8-300e_coco.py')
    shrink(cfg)
    assert [hook.type for hook in cfg.custom_hooks] == ['SyncNormHook', 'EMAHook']
