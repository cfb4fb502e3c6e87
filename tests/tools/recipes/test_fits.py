import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmdyup import LDAAQU, DySample
from recipes.fits import check_fits, compare, read_checkpoint


def test_missing_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError, match='There is no checkpoint'):
        read_checkpoint(str(tmp_path / 'none.pth'))


@pytest.mark.parametrize('part', [0, 0.3, 0.99])
def test_a_checkpoint_that_is_cut_off(tmp_path, part):
    path = tmp_path / 'some.pth'
    torch.save(dict(state_dict=nn.Linear(50, 50).state_dict()), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ValueError, match='some.pth cannot be read .*cut off') as error:
        read_checkpoint(str(path))
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('content', [b'hello', b'PK\x03\x04'])
def test_what_is_no_checkpoint(tmp_path, content):
    (tmp_path / 'some.pth').write_bytes(content)
    with pytest.raises(ValueError, match='no checkpoint') as error:
        read_checkpoint(str(tmp_path / 'some.pth'))
    assert '\n' not in str(error.value)


def test_a_checkpoint_of_something_else(tmp_path):
    torch.save([1, 2], tmp_path / 'some.pth')
    with pytest.raises(ValueError, match='holds a list'):
        read_checkpoint(str(tmp_path / 'some.pth'))


def test_each_kind_of_misfit_is_counted():
    model = nn.ModuleDict(dict(a=nn.Linear(2, 3), b=nn.Linear(2, 3), norm=nn.BatchNorm1d(3)))
    state = model.state_dict()
    assert not compare(model, dict(state_dict=state))
    # as data parallel training saves it, and as old PyTorch did
    old = {f'module.{name}': value for name, value in state.items()}
    old.pop('module.norm.num_batches_tracked')
    assert not compare(model, old)

    state['b.weight'] = torch.zeros(4, 2)
    state['c.weight'] = state.pop('a.weight')
    misfit = compare(model, dict(state_dict=state))
    assert (misfit.missing, misfit.unexpected, misfit.unlike) == (
        ('a.weight',),
        ('c.weight',),
        ('b.weight',),
    )
    assert misfit.common == len(model.state_dict()) - 2


def test_names_that_a_module_knows_are_no_misfit():
    with_bias = DySample(16, dyscope=True, scope_bias=True).state_dict()
    model = DySample(16, dyscope=True)
    assert not compare(model, with_bias)
    # comparing leaves the model as it is
    assert model.scope.bias is None


def test_shapes_that_a_module_knows_are_no_misfit():
    model = nn.ModuleDict(dict(up=LDAAQU(16), conv=nn.Linear(2, 3)))
    state = model.state_dict()
    table = 'up.relative_position_bias_table'
    state[table] = state[table].view(1, 1, 1, 9, 4)
    assert not compare(model, state)
    # of other channels, it cannot be brought into shape
    misfit = compare(model, dict(state, **{table: torch.zeros(1, 1, 1, 9, 5)}))
    assert misfit.unlike == (table,) and not misfit.missing and not misfit.unexpected
    other = dict(state, **{table: torch.zeros(1, 1, 1, 9, 5), 'conv.bias': torch.zeros(4)})
    misfit = compare(model, dict(other, more=torch.zeros(1)))
    assert misfit.unlike == ('conv.bias', table) and misfit.unexpected == ('more',)


@pytest.mark.slow
def test_the_config_that_fits_is_named():
    pytest.importorskip('mmdet')
    neck = dict(type='DyFPN', in_channels=[8, 16], out_channels=32, num_outs=2)
    from mmdet.registry import MODELS

    def cfg(**upsample_cfg):
        model = dict(
            type='SingleStageDetector',
            backbone=dict(
                type='ResNet',
                depth=18,
                base_channels=8,
                num_stages=2,
                strides=(1, 2),
                dilations=(1, 1),
                out_indices=(0, 1),
            ),
            neck=dict(neck, upsample_cfg=upsample_cfg),
            bbox_head=dict(type='RetinaHead', num_classes=2, in_channels=32, feat_channels=8),
        )
        return Config(
            dict(model=model, default_scope='mmdet'),
            cfg_text='-',
            filename='work_dirs/mine/faster_rcnn_dysample.py',
        )

    def built(cfg):
        with MODELS.switch_scope_and_registry('mmdet'):
            return MODELS.build(cfg.model)

    ours = cfg(type='DySample')
    model = built(ours)
    for upsample_cfg, words in [
        (dict(type='CARAFE'), 'configs/faster_rcnn_carafe.py fits it'),
        (dict(type='DySample', style='pl', groups=8), 'configs/faster_rcnn_dysample_s.py'),
        (dict(type='nearest'), 'configs/faster_rcnn_nearest.py or configs/faster_rcnn_b'),
        # there is no such config of this model
        (dict(type='FADE', lite=True), "upsample_cfg={'type': 'FADE', 'lite': True"),
    ]:
        state = built(cfg(**upsample_cfg)).state_dict()
        with pytest.raises(ValueError, match='another model') as error:
            check_fits(model, ours, 'x.pth', dict(state_dict=state))
        assert words in str(error.value) and '\n' not in str(error.value)
        if upsample_cfg['type'] == 'CARAFE':
            assert 'neck.upsample_modules.0.offset.weight' in str(error.value)
    with pytest.raises(ValueError, match='that training saved beside it'):
        check_fits(model, ours, 'x.pth', nn.Linear(2, 2).state_dict())
    check_fits(model, ours, 'x.pth', built(ours).state_dict())
