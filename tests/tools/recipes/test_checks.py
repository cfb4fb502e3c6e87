import urllib.error

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS

from mmdyup.pyramid import DynamicPart
from recipes.checks import (
    available,
    check_data,
    check_upsamplers,
    check_weights,
)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    (tmp_path / 'checkpoints').mkdir()
    return tmp_path / 'checkpoints'


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError('unreachable')

    monkeypatch.setattr('urllib.request.urlopen', refuse)


def config(source):
    init_cfg = dict(type='Pretrained', checkpoint=source)
    return Config(dict(model=dict(backbone=dict(type='ResNet', init_cfg=init_cfg))))


@pytest.mark.parametrize(
    'source, cached',
    [
        ('torchvision://resnet50', 'resnet50-0676ba61.pth'),
        ('open-mmlab://detectron2/resnet50_caffe', 'resnet50_msra-5891d200.pth'),
        ('https://somewhere.org/a/weights.pth?download=1', 'weights.pth'),
    ],
)
def test_weights_in_the_cache_are_enough(source, cached, hub, no_network):
    with pytest.raises(ValueError, match='--from-scratch'):
        check_weights(config(source))
    (hub / cached).touch()
    check_weights(config(source))


def test_a_server_that_answers_is_enough(hub, monkeypatch):
    class Answer:
        def close(self):
            pass

    asked = []
    monkeypatch.setattr(
        'urllib.request.urlopen', lambda request, timeout: asked.append(request) or Answer()
    )
    check_weights(config('torchvision://resnet18'))
    assert asked[0].get_method() == 'HEAD'
    assert 'resnet18' in asked[0].full_url


@pytest.mark.parametrize('status, reached', [(405, True), (404, False), (403, False)])
def test_what_a_server_may_say(status, reached, hub, monkeypatch):
    def answer(request, timeout):
        raise urllib.error.HTTPError(request.full_url, status, '', {}, None)

    monkeypatch.setattr('urllib.request.urlopen', answer)
    assert available('https://somewhere.org/weights.pth') is reached


def test_local_weights(tmp_path):
    with pytest.raises(ValueError, match='mine.pth'):
        check_weights(config(str(tmp_path / 'mine.pth')))
    (tmp_path / 'mine.pth').touch()
    check_weights(config(str(tmp_path / 'mine.pth')))


def test_missing_data_names_the_file_and_the_remedy(folder):
    dataset = dict(
        type='RepeatDataset',
        times=2,
        dataset=dict(data_root=str(folder), ann_file='train.json', data_prefix=dict(img='images/')),
    )
    cfg = Config(
        dict(
            work_dir=str(folder / 'work'),
            train_dataloader=dict(dataset=dataset),
            val_dataloader=None,
        )
    )
    check_data(cfg, ('train', 'val', 'test'))
    cfg.train_dataloader.dataset.dataset.data_prefix.img = 'photos/'
    with pytest.raises(FileNotFoundError, match='photos is missing.*--shapes.*--data'):
        check_data(cfg, ('train',))
    cfg.train_dataloader.dataset.dataset.ann_file = 'instances.json'
    with pytest.raises(FileNotFoundError, match='instances.json is missing'):
        check_data(cfg, ('train',))
    cfg.train_dataloader.dataset.dataset.data_root = 's3://bucket/coco'
    check_data(cfg, ('train',))


class Part(DynamicPart):
    """A part of ours whose name does not tell."""


@pytest.fixture(params=[None, 'mmdet', 'mmseg'])
def checked(request):
    """Checks a config of each scope in which 'Part' names a part of ours."""
    scope = request.param
    models = pytest.importorskip(f'{scope}.registry').MODELS if scope else MODELS
    models.register_module(module=Part)
    yield lambda **neck: check_upsamplers(Config(dict(default_scope=scope, model=dict(neck=neck))))
    models.module_dict.pop('Part')


@pytest.mark.parametrize('part', ['Part', Part])
def test_an_upsampler_that_there_is_not(checked, part):
    checked(type=part, upsample_cfg=dict(type='DySample'))
    with pytest.raises(ValueError, match="no upsampler 'DySampel'"):
        checked(type=part, upsample_cfg=dict(type='DySampel'))
    with pytest.raises(TypeError, match='must be a dict'):
        checked(type=part, upsample_cfg='DySample')


def test_what_is_not_ours_is_not_checked(checked):
    for kind in ('FPN', 'DyHead', 'DyNowhere'):
        checked(type=kind, upsample_cfg=dict(type='DySampel'))


def test_what_parents_configs_give_to_interpolation_is_left_to_the_part(checked):
    checked(type='Part', upsample_cfg=dict(scale_factor=2, mode='nearest'))
