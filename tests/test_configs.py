"""Every config: the paper's counts, and one step of training on pictures of Shapes."""
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

import mmdyup  # noqa: F401
from mmdyup.recipes.folder import use_folder
from mmdyup.recipes.scratch import train_from_scratch
from mmdyup.recipes.tiny import shrink

CONFIGS = Path(__file__).parents[1] / 'configs'

pytest.importorskip('mmdet')

# all parameters of ResNet-50's detector with nearest upsampling, and those that are trained
NEAREST, TRAINABLE = 47_061_984, 46_836_640
# what the upsampler adds: four of them, biases counted
ADDED = {
    'nearest': 0,
    'bilinear': 0,
    'deconv': 4 * (9 * 256 * 256 + 256),
    'pixel_shuffle': 4 * (9 * 256 * 1024 + 1024),
    'carafe': 4 * 74_148,
    'dlu': 4 * 35_489,
    'dysample': 4 * (8_192 + 32),
    'dysample_plus': 4 * (2 * 8_192 + 32),
    'dysample_s': 4 * (1_024 + 16),
    'dysample_s_plus': 4 * (2 * 1_024 + 16),
}


def built(cfg):
    from mmdet.registry import MODELS
    init_default_scope('mmdet')
    return MODELS.build(cfg.model)


def test_every_config_is_counted():
    assert {path.stem for path in CONFIGS.glob('*.py')} == {f'faster_rcnn_{name}' for name in ADDED}


@pytest.mark.parametrize('name', ADDED)
def test_parameters_of_the_paper(name):
    model = built(Config.fromfile(CONFIGS / f'faster_rcnn_{name}.py'))
    total = sum(p.numel() for p in model.parameters())
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert (total, trainable) == (NEAREST + ADDED[name], TRAINABLE + ADDED[name])


@pytest.mark.parametrize('path', sorted(CONFIGS.glob('*.py')), ids=lambda path: path.stem)
def test_leaf_files_are_short(path):
    assert len(path.read_text().splitlines()) < 10


@pytest.mark.parametrize('name', ['dysample', 'dlu'])
def test_a_runner_starts_from_the_papers_start(name, tmp_path):
    cfg = Config.fromfile(CONFIGS / f'faster_rcnn_{name}.py')
    cfg.model.backbone.init_cfg = None
    cfg.work_dir = str(tmp_path)
    runner = Runner(cfg.model, cfg.work_dir, default_scope='mmdet', experiment_name=name)
    runner._init_model_weights()
    for upsampler in runner.model.neck.upsample_modules:
        if name == 'dlu':
            assert not upsampler.conv_offset.weight.any()
        else:
            torch.testing.assert_close(upsampler.offset.weight.std().item(), 0.001, rtol=0.1,
                                       atol=0)


@pytest.mark.parametrize('path', sorted(CONFIGS.glob('*.py')), ids=lambda path: path.stem)
def test_a_step_on_shapes(path, shapes):
    cfg = Config.fromfile(path)
    use_folder(cfg, shapes)
    train_from_scratch(cfg)
    shrink(cfg)
    cfg.train_dataloader.num_workers = 0
    cfg.train_dataloader.persistent_workers = False
    model = built(cfg)
    model.init_weights()
    batch = next(iter(Runner.build_dataloader(cfg.train_dataloader, seed=0)))
    losses = model(**model.data_preprocessor(batch, training=True), mode='loss')
    loss, _ = model.parse_losses(losses)
    loss.backward()
    assert loss.isfinite()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    model.eval()
    with torch.no_grad():
        results = model(**model.data_preprocessor(batch), mode='predict')
    assert len(results) == cfg.train_dataloader.batch_size
