"""Every detection config: the papers' counts, and one step of training on pictures of Shapes."""

from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

import mmdyup  # noqa: F401
from recipes import tiny
from recipes.config import leaf_datasets, train_from_scratch
from recipes.folder import use_folder

pytest.importorskip('mmdet')

CONFIGS = Path(__file__).parents[1] / 'configs'
SEGMENTATION = ('segformer', 'semantic_fpn', 'upernet', 'maskformer', 'depthformer')
PATHS = {
    path.stem: path
    for path in sorted(CONFIGS.glob('*.py'))
    if not path.stem.startswith(SEGMENTATION)
}

# what one upsampler of 256 channels adds, biases counted, by its ratio
ADDED = {
    'nearest': {2: 0, 4: 0},
    'bilinear': {2: 0},
    'deconv': {2: 9 * 256 * 256 + 256},
    'pixel_shuffle': {2: 9 * 256 * 1024 + 1024},
    'carafe': {2: 74_148, 4: 247_248, 8: 939_648, 16: 3_709_248},
    'fade': {2: 47_514},
    'fade_no_gate': {2: 47_514 - 257},
    'sapa': {2: 17_472},
    'sapa_g': {2: 25_953},
    'sapa_i': {2: 4 * 256},
    'sapa_d': {2: 139_808},
    'frfu': {2: 21_074},
    'lda_aqu': {2: 39_410},
    'freqfusion': {2: 104_690},
    'indexnet': {2: 2_100_224},
    'a2u': {2: 10_790},
    'dlu': {2: 35_489, 4: 49_337, 8: 104_729, 16: 326_297},
    'dysample': {2: 8_192 + 32, 4: 32_768 + 128},
    'dysample_plus': {2: 2 * 8_192 + 32},
    'dysample_s': {2: 1_024 + 16},
    'dysample_s_plus': {2: 2 * 1_024 + 16},
}
# the stem and the first stage of a ResNet, and what the 17 blocks add that make 101 layers of 50
FROZEN = 225_344
DEEPER = 17 * (2 * 1024 * 256 + 9 * 256 * 256 + 2 * (256 + 256 + 1024))
# four convolutions, a deconvolution of 2 x 2 and 80 classes; what FPN lacks of FPN_CARAFE: an extra
# level, from a convolution of C5; the non-local block of Libra R-CNN, and the convolution in its
# place where levels are gathered at the finest; Panoptic FPN's semantic head
MASK_HEAD = 4 * (9 * 256 * 256 + 256) + (4 * 256 * 256 + 256) + 80 * (256 + 1)
EXTRA_LEVEL = (9 * 2048 * 256 + 256) + (9 * 256 * 256 + 256)
NON_LOCAL = 4 * (256 * 256 + 256)
CONVOLUTION = 9 * 256 * 256 + 256
SEMANTIC_HEAD = 4 * (9 * 256 * 128 + 256) + 3 * (9 * 128 * 128 + 256) + 54 * (128 + 1)
# all parameters with nearest upsampling, the ratios of the upsamplers, and the configs there are
FASTER_RCNN = 47_061_984
MASK_RCNN = FASTER_RCNN + MASK_HEAD
PANOPTIC_FPN = MASK_RCNN - EXTRA_LEVEL + SEMANTIC_HEAD
LIBRA_RCNN = FASTER_RCNN - EXTRA_LEVEL + NON_LOCAL
FASTER_ALONE = {'bilinear', 'dysample_s', 'sapa_g', 'sapa_i', 'sapa_d'}
FAMILIES = {
    'faster_rcnn': (FASTER_RCNN, (2, 2, 2, 2), ADDED),
    'faster_rcnn_r101': (
        FASTER_RCNN + DEEPER,
        (2, 2, 2, 2),
        ('nearest', 'dysample_plus', 'frfu', 'sapa_d', 'freqfusion'),
    ),
    'mask_rcnn': (MASK_RCNN, (2, 2, 2, 2), ADDED.keys() - FASTER_ALONE),
    'mask_rcnn_r101': (
        MASK_RCNN + DEEPER,
        (2, 2, 2, 2),
        ('nearest', 'dysample_plus', 'freqfusion'),
    ),
    'panoptic_fpn': (
        PANOPTIC_FPN,
        (2, 2, 2),
        ADDED.keys() - FASTER_ALONE - {'dlu', 'frfu', 'freqfusion'},
    ),
    'panoptic_fpn_r101': (PANOPTIC_FPN + DEEPER, (2, 2, 2), ('nearest', 'dysample_plus')),
    'libra_rcnn': (LIBRA_RCNN, (2, 4, 2, 4), ('nearest', 'carafe', 'dlu', 'dysample')),
    'libra_rcnn_level0': (LIBRA_RCNN - NON_LOCAL + CONVOLUTION, (2, 4, 8, 16), ('carafe', 'dlu')),
}
ROWS = {
    f'{family}_{name}': total + sum(ADDED[name][ratio] for ratio in ratios)
    for family, (total, ratios, names) in FAMILIES.items()
    # a set has no order, and processes that test side by side must agree on one
    for name in sorted(names)
}
# published on the neck of five levels
ROWS['panoptic_fpn_frfu'] = PANOPTIC_FPN + EXTRA_LEVEL + 4 * ADDED['frfu'][2]
# without two norms of 64 channels
ROWS['panoptic_fpn_freqfusion'] = PANOPTIC_FPN + EXTRA_LEVEL + 4 * (104_690 - 2 * 128)
ROWS['panoptic_fpn_r101_freqfusion'] = ROWS['panoptic_fpn_freqfusion'] + DEEPER
# mmdet's own config under ours, and the channels that the upsamplers of its neck see
OTHER_NECKS = {
    'faster_rcnn_pafpn_dysample': ('pafpn/faster-rcnn_r50_pafpn_1x_coco.py', (256, 256, 256)),
    'yolox_s_dysample': ('yolox/yolox_s_8xb8-300e_coco.py', (256, 128)),
    'rtmdet_s_dysample': ('rtmdet/rtmdet_s_8xb32-300e_coco.py', (256, 128)),
}


@cache
def read(name):
    return Config.fromfile(PATHS[name])


def built(cfg):
    from mmdet.registry import MODELS

    init_default_scope('mmdet')
    return MODELS.build(cfg.model)


def counts(cfg):
    """All parameters, and those that are trained."""
    with torch.device('meta'):
        parameters = list(built(cfg).parameters())
    return (
        sum(p.numel() for p in parameters),
        sum(p.numel() for p in parameters if p.requires_grad),
    )


def test_every_config_is_counted():
    assert set(PATHS) == {*ROWS, *OTHER_NECKS}


QUICK = [name for name in ROWS if name.endswith(('nearest', 'dysample'))]


@pytest.mark.parametrize(
    'name',
    [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in ROWS],
)
def test_parameters_of_the_paper(name):
    assert counts(read(name)) == (ROWS[name], ROWS[name] - FROZEN)


@pytest.mark.parametrize(
    'total, printed',
    [
        (FASTER_RCNN - FROZEN, 46.8),
        (FASTER_RCNN + DEEPER - FROZEN, 65.8),
        (PANOPTIC_FPN, 46.0),
        (PANOPTIC_FPN + DEEPER, 65.0),
    ],
)
def test_what_the_papers_print(total, printed):
    assert round(total / 1e6, 1) == printed


@pytest.mark.parametrize('name', OTHER_NECKS)
def test_other_necks_add_their_upsamplers(name):
    parent, channels = OTHER_NECKS[name]
    added = sum(32 * c + 32 for c in channels)
    plain = counts(get_config(f'mmdet::{parent}'))
    assert counts(read(name)) == tuple(count + added for count in plain)


@pytest.mark.parametrize('name', [name for name in PATHS if 'r101' in name or 'nearest' in name])
def test_the_papers_recipe(name):
    """1x: twelve epochs of SGD at 0.02 for sixteen pictures, from torchvision's weights."""
    cfg = read(name)
    depth = 101 if 'r101' in name else 50
    assert cfg.model.backbone.init_cfg == dict(
        type='Pretrained', checkpoint=f'torchvision://resnet{depth}'
    )
    assert cfg.model.backbone.depth == depth
    assert cfg.train_cfg.max_epochs == 12
    assert cfg.param_scheduler[1].milestones == [8, 11]
    assert cfg.optim_wrapper.optimizer == dict(
        type='SGD', lr=0.02, momentum=0.9, weight_decay=0.0001
    )
    assert cfg.auto_scale_lr.base_batch_size == 16
    assert cfg.train_dataloader.dataset.ann_file.endswith('train2017.json')


# the start of the published detectors, as docs/reproduce.md and their configs write it
XAVIER = "init_cfg=dict(type='Xavier', layer='Conv2d', distribution='uniform')"


def started(name, folder, **own):
    """The upsamplers of a Faster R-CNN as a Runner initializes it."""
    cfg = deepcopy(read(f'faster_rcnn_{name}'))
    cfg.model.backbone.init_cfg = None
    cfg.model.neck.upsample_cfg.update(own)
    runner = Runner(cfg.model, str(folder), default_scope='mmdet', experiment_name=folder.name)
    runner._init_model_weights()
    return runner.model.neck.upsample_modules


@pytest.mark.slow
def test_a_runner_starts_dlu_from_the_papers_start(tmp_path):
    for upsampler in started('dlu', tmp_path):
        assert not upsampler.conv_offset.weight.any()


@pytest.mark.slow
@pytest.mark.parametrize(
    'line, offset, scope',
    # Xavier's of 256 channels in and 32 out
    [('', 0.001, 0), (XAVIER, (2 / (256 + 32)) ** 0.5, (2 / (256 + 32)) ** 0.5)],
    ids=['paper', 'published'],
)
def test_a_runner_starts_dysample_plus_from_either_start(line, offset, scope, tmp_path):
    for upsampler in started('dysample_plus', tmp_path, **eval(f'dict({line})')):
        for layer, std in ((upsampler.offset, offset), (upsampler.scope, scope)):
            assert layer.weight.std().item() == pytest.approx(std, rel=0.05)
        assert not upsampler.offset.bias.any()


def test_the_line_of_the_published_start_is_documented():
    assert XAVIER in (CONFIGS.parent / 'docs/reproduce.md').read_text(encoding='utf-8')


@pytest.mark.parametrize('name', [name for name in PATHS if name.endswith(('frfu', 'sapa_d'))])
def test_detectors_whose_published_start_was_xavier(name):
    assert read(name).model.neck.upsample_cfg.init_cfg == eval(f'dict({XAVIER})')['init_cfg']


# every upsampler, and every other model with one that is guided and one that is not
TRAINED = [
    name
    for name in PATHS
    if '_r101_' not in name
    and (
        name.startswith(('faster_rcnn_', 'libra_rcnn_level0_'))
        or name.endswith(('_dysample', '_fade'))
    )
]


@pytest.mark.slow
@pytest.mark.parametrize('name', TRAINED)
def test_a_step_on_shapes(name, shapes, monkeypatch):
    monkeypatch.setattr(tiny, 'SIZE', 128)
    cfg = deepcopy(read(name))
    use_folder(cfg, shapes)
    train_from_scratch(cfg)
    tiny.shrink(cfg)
    cfg.train_dataloader.num_workers = 0
    cfg.train_dataloader.persistent_workers = False
    for dataset in leaf_datasets(cfg.train_dataloader):
        # to collect garbage first would take as long as the step
        dataset.serialize_data = False
    # Runner does so where there is one process
    model = revert_sync_batchnorm(built(cfg))
    model.init_weights()
    batch = next(iter(Runner.build_dataloader(cfg.train_dataloader, seed=0)))
    losses = model(**model.data_preprocessor(batch, training=True), mode='loss')
    loss, _ = model.parse_losses(losses)
    loss.backward()
    assert loss.isfinite()
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.isfinite().all(), key
    model.eval()
    with torch.no_grad():
        results = model(**model.data_preprocessor(batch), mode='predict')
    assert len(results) == cfg.train_dataloader.batch_size
