"""tools/convert.py as a person uses it, on checkpoints with the names of the authors' code."""

import re
import runpy
from pathlib import Path

import pytest
import torch

from mmdyup.ops import backends
from recipes.cli import load_config
from recipes.fits import check_fits, read_checkpoint
from recipes.model import build_model

pytest.importorskip('mmdet')
pytestmark = [pytest.mark.usefixtures('elsewhere'), pytest.mark.slow]

ROOT = Path(__file__).parents[2]
CONVERT = runpy.run_path(str(ROOT / 'tools/convert.py'))


def built(name, *flags):
    """A tiny model of a config, with weights that are all different, and the config."""
    args = CONVERT['parse_args']([str(ROOT / 'configs' / f'{name}.py'), 'a', 'b', '--tiny', *flags])
    cfg = load_config(args)
    model = build_model(cfg)
    torch.manual_seed(1)
    for value in model.state_dict().values():
        if value.is_floating_point():
            torch.nn.init.normal_(value)
    return model, cfg


def converted(name, state, *flags, **others):
    """Writes a checkpoint with these names, converts it, and reads what came of it."""
    torch.save(dict(state_dict=state, **others), 'theirs.pth')
    config = str(ROOT / f'configs/{name}.py')
    CONVERT['main']([config, 'theirs.pth', 'ours.pth', '--tiny', *flags])
    checkpoint = read_checkpoint('ours.pth')
    model, cfg = built(name, *flags)
    check_fits(model, cfg, 'ours.pth', checkpoint)
    return checkpoint


def sentence(name, *flags, out='ours.pth'):
    config = str(ROOT / f'configs/{name}.py')
    with pytest.raises(SystemExit) as stop:
        CONVERT['main']([config, 'theirs.pth', out, *flags])
    message = stop.value.code
    assert isinstance(message, str) and '\n' not in message and message.endswith('.')
    return message


def equal(state, other):
    torch.testing.assert_close(dict(state), dict(other), rtol=0, atol=0)


def test_freqfusion_of_mmdet_2(capsys):
    model, _ = built('faster_rcnn_freqfusion')
    own = model.state_dict()
    theirs = {name.replace('neck.upsample_modules', 'neck.alignment'): v for name, v in own.items()}
    theirs['neck.alignment.0.dysampler.init_pos'] = torch.zeros(1, 32, 1, 1)
    meta = dict(CLASSES=('cat', 'dog'), PALETTE=None, mmdet_version='2.28.1', epoch=12)
    checkpoint = converted('faster_rcnn_freqfusion', theirs, meta=meta, optimizer=dict(state={}))
    equal(checkpoint['state_dict'], own)
    assert checkpoint['meta']['dataset_meta']['classes'] == ('cat', 'dog')
    assert 'optimizer' not in checkpoint
    said = capsys.readouterr().out
    assert "renamed (FreqFusion's neck), such as neck.alignment.0." in said
    assert 'left out: neck.upsample_modules.0.dysampler.init_pos, a constant' in said
    assert 'tools/test.py' in said and 'tensors keep their names' in said


def test_dysample_with_the_bias_of_its_scope(monkeypatch):
    # it is said once in a process
    monkeypatch.setattr(backends, '_WARNED', set())
    model, _ = built('faster_rcnn_dysample_plus')
    theirs = {f'module.{name}': value for name, value in model.state_dict().items()}
    scope = 'neck.upsample_modules.2.scope'
    theirs[f'module.{scope}.bias'] = torch.ones(len(theirs[f'module.{scope}.weight']))
    for i in (0, 1, 3):
        name = f'module.neck.upsample_modules.{i}.scope'
        theirs[f'{name}.bias'] = torch.zeros(len(theirs[f'{name}.weight']))
    with pytest.warns(UserWarning, match='scope.bias'):
        checkpoint = converted('faster_rcnn_dysample_plus', theirs)
    equal(checkpoint['state_dict'], {name.removeprefix('module.'): v for name, v in theirs.items()})


def test_lda_aqu_with_its_table_of_five_dimensions():
    model, _ = built('faster_rcnn_lda_aqu')
    own = model.state_dict()
    theirs = {
        name: v.view(1, 1, 1, *v.shape) if name.endswith('relative_position_bias_table') else v
        for name, v in own.items()
    }
    equal(converted('faster_rcnn_lda_aqu', theirs)['state_dict'], own)


def test_carafe_of_mmdet():
    Path('stock.py').write_text("_base_ = 'mmdet::carafe/faster-rcnn_r50_fpn-carafe_1x_coco.py'")
    theirs = built(str(Path('stock').absolute()))[0].state_dict()
    own = converted('faster_rcnn_carafe', theirs)['state_dict']
    equal(own, theirs)
    assert 'neck.upsample_modules.3.content_encoder.weight' in own


def test_plain_layers_of_the_forks():
    model, _ = built('faster_rcnn_pixel_shuffle')
    own = model.state_dict()
    theirs = {name.replace('.layer.upsample_conv.', '.0.'): value for name, value in own.items()}
    assert 'neck.upsample_modules.0.0.weight' in theirs
    equal(converted('faster_rcnn_pixel_shuffle', theirs)['state_dict'], own)


STEPS = {'3.0': 0, '3.1': 1, '3.2': 2, '2.0': 3, '2.1': 4, '1.0': 5}


def by_segformers_own_names(own):
    """The inverse of what is known of SegFormer's own code and of FADE's head in it."""
    theirs = {}
    inside = {'ffn.layers.0': 'mlp.fc1', 'ffn.layers.1': 'mlp.dwconv.dwconv'}
    inside |= {'ffn.layers.4': 'mlp.fc2', 'attn.attn.out_proj': 'attn.proj'}
    for name, value in own.items():
        part, _, rest = name.partition('.')
        words = rest.split('.')
        kind = words[-1]
        if part == 'backbone' and words[2] == '1':
            layer, start = '.'.join(words[4:-1]), f'backbone.block{int(words[1]) + 1}.{words[3]}'
            if kind.startswith('in_proj'):
                c = len(value) // 3
                kind = kind.removeprefix('in_proj_')
                theirs[f'{start}.attn.q.{kind}'] = value[:c]
                theirs[f'{start}.attn.kv.{kind}'] = value[c:]
                continue
            layer = inside.get(layer, layer)
            if layer in ('mlp.fc1', 'mlp.fc2') and kind == 'weight':
                value = value[..., 0, 0]
            theirs[f'{start}.{layer}.{kind}'] = value
        elif part == 'backbone':
            level = int(words[1]) + 1
            layer = dict(projection='proj').get(words[3], words[3])
            new = f'patch_embed{level}.{layer}' if words[2] == '0' else f'norm{level}'
            theirs[f'backbone.{new}.{kind}'] = value
        elif words[0] == 'upsample_modules':
            step = STEPS['.'.join(words[1:3])]
            theirs['.'.join(['decode_head.upsamplers', str(step), *words[3:]])] = value
        elif words[0] == 'convs':
            value = value[..., 0, 0] if kind == 'weight' else value
            theirs[f'decode_head.linear_c{int(words[1]) + 1}.proj.{kind}'] = value
        elif words[0] == 'fusion_conv':
            theirs[name.replace('fusion_conv', 'linear_fuse')] = value
        else:
            theirs[name.replace('conv_seg', 'linear_pred')] = value
    return theirs


@pytest.mark.parametrize('name', ['segformer_b1_fade', 'segformer_b1_sapa'])
def test_fade_and_sapa_in_segformers_own_code(name, capsys):
    pytest.importorskip('mmseg')
    linear = ['--cfg-options', 'model.decode_head.linear_projections=True']
    model, _ = built(name, *linear)
    own = model.state_dict()
    theirs = by_segformers_own_names(own)
    assert not theirs.keys() & {key for key in own if not re.search('fuse', key)}
    # a layer of its parent's that the authors' head does not use
    theirs['decode_head.conv_seg.weight'] = torch.zeros(150, 8, 1, 1)
    equal(converted(name, theirs, *linear)['state_dict'], own)
    assert "six steps of SegFormer's head" in capsys.readouterr().out
    assert 'model.decode_head.linear_projections=True' in sentence(name, '--tiny')


def test_six_steps_in_mmsegs_own_head():
    pytest.importorskip('mmseg')
    model, _ = built('segformer_b1_frfu')
    own = model.state_dict()
    theirs = {
        re.sub(
            r'upsample_modules\.(\d\.\d)', lambda m: f'upsample_modules.{STEPS[m[1]]}', name
        ): value
        for name, value in own.items()
    }
    assert 'decode_head.upsample_modules.5.offset.weight' in theirs
    equal(converted('segformer_b1_frfu', theirs)['state_dict'], own)


def test_what_does_not_fit_is_refused():
    model, _ = built('faster_rcnn_dysample_plus')
    torch.save(dict(state_dict=model.state_dict()), 'theirs.pth')
    # its scopes would be left out, and another model would be tested
    message = sentence('faster_rcnn_dysample', '--tiny')
    assert 'weights of another model' in message and 'scope.weight' in message
    assert not Path('ours.pth').exists()
    assert 'ends in .pth' in sentence('faster_rcnn_dysample', out='ours')
    assert 'There is no folder' in sentence('faster_rcnn_dysample', out='nowhere/ours.pth')


def test_code_is_refused():
    torch.save(dict(state_dict={}, hooks=[print]), 'theirs.pth')
    message = sentence('faster_rcnn_dysample', '--tiny')
    assert message.startswith('theirs.pth asks for print, which is code')


def test_a_neck_of_three_upsamplers():
    neck = ['--cfg-options', 'model.neck.type=DyFPN']
    own = built('faster_rcnn_dysample', *neck)[0].state_dict()
    assert not any(name.startswith('neck.upsample_modules.3') for name in own)
    equal(converted('faster_rcnn_dysample', own, *neck)['state_dict'], own)
