"""Every config of mmseg's: the papers' counts, and one step of training on Shapes."""

from copy import deepcopy
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmdyup import build_upsampler
from recipes import tiny_segmentation
from recipes.config import train_from_scratch
from recipes.depth import use_depth_folder
from recipes.semantic import use_semantic_folder

pytest.importorskip('mmseg')

CONFIGS = Path(__file__).parents[1] / 'configs'
# mmseg's config of each model, None where it has none, and its parameters in millions
PARENTS = {
    'segformer_b1': ('segformer/segformer_mit-b1_8xb2-160k_ade20k-512x512.py', 13.7),
    'semantic_fpn_r50': ('sem_fpn/fpn_r50_4xb4-160k_ade20k-512x512.py', 28.5),
    'upernet_r50': ('upernet/upernet_r50_4xb4-160k_ade20k-512x512.py', 66.5),
    # 51 more layers than R50, and SAPA-D
    'upernet_r101': ('upernet/upernet_r101_4xb4-160k_ade20k-512x512.py', 66.5 + 19.0 + 0.8),
    'maskformer_swin_b': (None, 101.8),
    'maskformer_swin_l': (None, 211.6),
    'depthformer_swin_t': (None, 47.612029),
}
PIXELS = [('gt_sem_seg', 'pred_sem_seg'), ('gt_depth_map', 'pred_depth_map')]
EXACT = ('depthformer_swin_t',)
# what each upsampler adds at c channels, biases counted
COUNTS = {
    'nearest': lambda c: 0,
    'bilinear': lambda c: 0,
    'deconv': lambda c: 9 * c * c + c,
    'pixel_shuffle': lambda c: 9 * c * 4 * c + 4 * c,
    'carafe': lambda c: 64 * c + 64 + 9 * 64 * 100 + 100,
    'fade': lambda c: 2 * 64 * c + 64 + 9 * 64 * 25 + 25 + c + 1,
    'fade_no_gate': lambda c: 2 * 64 * c + 64 + 9 * 64 * 25 + 25,
    'fade_lite': lambda c: 2 * 25 * c + 25 + 9 * 25 + 25 + c + 1,
    'sapa': lambda c: 2 * (32 * c + 32) + 4 * c,
    'sapa_g': lambda c: 3 * (32 * c + 32) + 4 * c + c + 1,
    'sapa_i': lambda c: 4 * c,
    # queries, keys and offsets
    'sapa_d': lambda c: 2 * (128 * c + 128) + 288 * c + 288,
    'frfu': lambda c: 2 * (32 * c + 32) + 2 * (9 * c + 9),
    # two norms, queries and keys, two convolutions of c/8 channels to the offsets, and a table
    'lda_aqu': lambda c: (
        2 * (c + c // 8) + 2 * c * c // 4 + 9 * c // 8 + 9 * c // 8 * 18 + 18 + 9 * c // 4
    ),
    # a norm between two convolutions
    'indexnet': lambda c: 16 * c * 2 * c + 2 * 2 * c + 2 * c * 4,
    # spread, two windows, two norms
    'a2u': lambda c: 36 * c + 36 + 2 * (c + 1) + 2 * 2 * c,
    'dlu': lambda c: 64 * c + 64 + 9 * 64 * 25 + 25 + 9 * 64 * 8 + 8,
    'dysample': lambda c: 32 * c + 32,
    'dysample_plus': lambda c: 2 * 32 * c + 32,
    'dysample_s': lambda c: c // 4 * 16 + 16,
    'dysample_s_plus': lambda c: 2 * c // 4 * 16 + 16,
}
# the channels of every step in a model
STEPS = {
    'segformer_b1': [256] * 6,
    'semantic_fpn_r50': [256] * 3 + [128] * 6,
    'upernet_r50': [512] * 3,
    'upernet_r101': [512] * 3,
    'maskformer_swin_b': [256] * 3,
    'maskformer_swin_l': [256] * 3,
    'depthformer_swin_t': [768, 384, 192, 96],
}
DYSAMPLES = ['dysample_s', 'dysample_s_plus', 'dysample', 'dysample_plus']
UPSAMPLERS = {
    'segformer_b1': [name for name in COUNTS if name != 'nearest'],
    'semantic_fpn_r50': ['bilinear', 'carafe', 'dlu', 'dysample'],
    'upernet_r50': [
        *('bilinear', 'carafe', 'fade', 'fade_no_gate', 'sapa', 'sapa_d', 'dysample'),
        *('indexnet', 'a2u'),
    ],
    'upernet_r101': ['sapa_d'],
    'maskformer_swin_b': [
        *('nearest', 'carafe', 'indexnet', 'a2u', 'sapa', 'sapa_i', 'sapa_g'),
        *DYSAMPLES,
    ],
    'maskformer_swin_l': ['nearest', *DYSAMPLES],
    'depthformer_swin_t': ['bilinear', 'carafe', 'dlu', *DYSAMPLES],
}
ROWS = [(model, upsampler) for model in PARENTS for upsampler in UPSAMPLERS[model]]
NAMES = [f'{model}_{upsampler}' for model, upsampler in ROWS]


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


@cache
def loaded(name):
    return Config.fromfile(CONFIGS / f'{name}.py')


@cache
def parent_of(model):
    if PARENTS[model][0]:
        return get_config(f'mmseg::{PARENTS[model][0]}')
    cfg = deepcopy(loaded(f'{model}_{UPSAMPLERS[model][0]}'))
    if model.startswith('maskformer'):
        cfg.model.decode_head.type = 'MaskFormerHead'
        del cfg.model.decode_head.upsample_cfg
    return cfg


def count(module):
    return sum(p.numel() for p in module.parameters())


def after_the_backbone(cfg):
    """Parameters of neck and head, built without memory."""
    from mmseg.registry import MODELS

    parts = [cfg.model[name] for name in ('neck', 'decode_head') if name in cfg.model]
    with torch.device('meta'):
        return sum(count(MODELS.build(part)) for part in parts)


def test_every_config_is_counted():
    found = {path.stem for model in PARENTS for path in CONFIGS.glob(f'{model}_*.py')}
    assert found == set(NAMES)


@pytest.mark.parametrize('model, upsampler', ROWS, ids=NAMES)
def test_what_the_upsamplers_add(model, upsampler):
    cfg, parent = loaded(f'{model}_{upsampler}'), parent_of(model)
    assert cfg.model.backbone == parent.model.backbone
    assert after_the_backbone(cfg) - after_the_backbone(parent) == sum(
        map(COUNTS[upsampler], STEPS[model])
    )


@pytest.mark.parametrize('model', PARENTS)
def test_parameters_of_the_baseline(model, monkeypatch):
    from mmseg.registry import MODELS

    cfg = deepcopy(loaded(f'{model}_{UPSAMPLERS[model][0]}'))
    train_from_scratch(cfg)
    # transformers read the rates of their stochastic depth from a tensor
    monkeypatch.setattr(torch, 'linspace', partial(torch.linspace, device='cpu'))
    with torch.device('meta'):
        parameters, printed = count(MODELS.build(cfg.model)), PARENTS[model][1]
    assert parameters / 1e6 == pytest.approx(printed, abs=0 if model in EXACT else 0.05)


@pytest.mark.parametrize('model', ['maskformer_swin_b', 'maskformer_swin_l'])
def test_maskformers_recipe(model):
    """Its authors': batches of 16, AdamW, a polynomial of power 0.9 over 160k from the start."""
    cfg = loaded(f'{model}_nearest')
    assert cfg.model.backbone.init_cfg.type == 'Pretrained'
    assert '384_22k' in cfg.model.backbone.init_cfg.checkpoint
    assert cfg.optim_wrapper.optimizer == dict(
        type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01
    )
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=0.01, norm_type=2)
    _, poly = cfg.param_scheduler
    assert (poly.power, poly.begin, poly.end) == (0.9, 0, 160_000)
    assert cfg.train_cfg.max_iters == 160_000 and cfg.train_dataloader.batch_size == 2
    train = {step['type']: step for step in cfg.train_dataloader.dataset.pipeline}
    assert [min(train['RandomChoiceResize']['scales']), *train['RandomCrop']['crop_size']] == [
        320, 640, 640,
    ]  # fmt: skip
    assert len(train['RandomChoiceResize']['scales']) == 16
    assert max(train['RandomChoiceResize']['scales']) == 1280
    assert cfg.test_dataloader.dataset.pipeline[1].scale == (2560, 640)
    assert cfg.model.data_preprocessor.test_cfg == dict(size_divisor=32)


@pytest.mark.parametrize('name', NAMES)
def test_both_scores_are_reported(name):
    cfg = loaded(name)
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        if name.startswith('depthformer'):
            assert evaluator.type == 'DepthMetric' and evaluator.crop_type == 'nyu_crop'
            continue
        assert (evaluator.type, evaluator.iou_metrics) == ('BoundaryIoU', ['mIoU'])


def test_pictures_to_be_tested_are_multiples_of_32():
    """As SegFormer's authors do; the prediction goes back to the picture's own size."""
    from mmcv.transforms import Compose

    for cfg in (loaded('segformer_b1_bilinear'), loaded('segformer_b1_dysample')):
        assert cfg.test_dataloader == cfg.val_dataloader
        load, *steps, labels, pack = cfg.val_dataloader.dataset.pipeline
        assert (load.type, labels.type) == ('LoadImageFromFile', 'LoadAnnotations')
        picture = np.zeros((100, 130, 3), np.uint8)
        results = dict(img=picture, img_path='a.png', ori_shape=picture.shape[:2])
        sample = Compose([*steps, pack])(results)
        # the short side becomes 512; 665.6 on the long one is rounded up
        assert sample['inputs'].shape == (3, 512, 672)
        assert sample['data_samples'].ori_shape == (100, 130)


def test_the_published_start_of_frfu():
    cfg = loaded('segformer_b1_frfu').model.decode_head.upsample_cfg
    upsampler = build_upsampler(cfg, 256)
    upsampler.init_weights()
    for name, std in (('offset', 0.001), ('sample_kernel', 0.005)):
        layer = getattr(upsampler, name)
        assert layer.weight.std().item() == pytest.approx(std, rel=0.1)
        assert not layer.bias.any()
    for mask in (upsampler.offset_mask, upsampler.kernel_mask):
        assert not any(p.any() for p in mask.parameters())


def test_depthformers_recipe():
    """That of its authors' toolbox."""
    cfg = loaded('depthformer_swin_t_bilinear')
    assert cfg.optim_wrapper.optimizer == dict(
        type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01
    )
    warm_up, cosine = cfg.param_scheduler
    assert (warm_up.end, warm_up.start_factor, cosine.begin, cosine.end) == (
        8 * 1600, 1e-3, 0, 24 * 1600,
    )  # fmt: skip
    assert cfg.train_cfg.max_iters == 24 * 1600 and cfg.train_dataloader.batch_size == 8
    train = [step['type'] for step in cfg.train_dataloader.dataset.pipeline]
    assert train[2:7] == ['NYUCrop', 'RandomRotate', 'RandomFlip', 'RandomCrop', 'RandomColors']
    preprocessor, test = cfg.model.data_preprocessor, cfg.model.test_cfg
    assert cfg.train_dataloader.dataset.pipeline[3].seg_pad_val == preprocessor.seg_pad_val == 0
    assert (test.mode, *test.crop_size, *test.stride) == ('slide_flip', 480, 640, 480, 640)


# every upsampler, and every other model with one that is guided and one that is not;
# shrunk, Swin-L is Swin-B
TRAINED = [
    name
    for name in NAMES
    if name.startswith('segformer_')
    or (name.endswith(('_dysample', '_sapa')) and 'swin_l' not in name)
]


@pytest.mark.slow
@pytest.mark.parametrize('name', TRAINED)
def test_a_step_on_shapes(name, shapes, monkeypatch):
    from mmseg.registry import MODELS

    monkeypatch.setattr(tiny_segmentation, 'CROP', 64)
    monkeypatch.setattr(tiny_segmentation, 'BATCH_SIZE', 2)
    cfg = deepcopy(loaded(name))
    depth = name.startswith('depthformer')
    (use_depth_folder if depth else use_semantic_folder)(cfg, shapes)
    train_from_scratch(cfg)
    tiny_segmentation.shrink_segmentation(cfg)
    train, val = (
        Runner.build_dataloader(dict(loader, num_workers=0, persistent_workers=False), seed=0)
        for loader in (cfg.train_dataloader, cfg.val_dataloader)
    )
    model = MODELS.build(cfg.model)
    model.init_weights()
    losses = model(**model.data_preprocessor(next(iter(train)), training=True), mode='loss')
    loss, _ = model.parse_losses(losses)
    loss.backward()
    assert loss.isfinite()
    for parameter_name, parameter in model.named_parameters():
        grad = parameter.grad
        assert grad is not None and grad.isfinite().all(), parameter_name
    model.eval()
    with torch.no_grad():
        (result,) = model.val_step(next(iter(val)))
    truth, found = (result.get(kind) for kind in PIXELS[depth])
    assert truth.shape == found.shape == (128, 128)
