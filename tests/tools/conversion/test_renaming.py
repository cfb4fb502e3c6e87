"""Names of the authors' code, written down here by hand, become ours."""

import pytest
import torch

from conversion.renaming import rename


def numbered(names):
    return {name: torch.full((4, 2), float(i)) for i, name in enumerate(names)}


def renamed(names, own=()):
    """The new name of each old one, by what is in it."""
    state = numbered(names)
    renaming = rename(state, set(own))
    old = {value[0, 0].item(): name for name, value in state.items()}
    return {
        old[value.flatten()[0].item()]: name for name, value in renaming.state.items()
    }, renaming


def test_freqfusions_neck():
    names = [
        'neck.alignment.3.hr_channel_compressor.weight',
        'neck.lateral_convs.0.conv.weight',
        'neck.alignment.0.dysampler.init_pos',
    ]
    found, renaming = renamed(names)
    assert found == {
        names[0]: 'neck.upsample_modules.3.hr_channel_compressor.weight',
        names[1]: names[1],
    }
    assert renaming.left == {'neck.upsample_modules.0.dysampler.init_pos': 'a constant'}
    assert sum(map(len, renaming.moved.values())) == 2


@pytest.mark.parametrize('list_name', ['upsamplers', 'upsample_modules'])
def test_six_steps_in_the_order_in_which_the_forks_take_them(list_name):
    # the coarsest level takes the first three, the next one two, the last one one
    expected = ['3.0', '3.1', '3.2', '2.0', '2.1', '1.0']
    names = [f'decode_head.{list_name}.{i}.offset.weight' for i in range(6)]
    own = [f'decode_head.upsample_modules.{step}.offset.weight' for step in expected]
    found, _ = renamed(names, own)
    assert [found[name] for name in names] == own


def test_our_own_steps_and_those_of_upernet_stay():
    own = [f'decode_head.upsample_modules.{step}.offset.weight' for step in ('3.2', '2.1', '1.0')]
    found, renaming = renamed(own, own)
    assert found == {name: name for name in own} and not renaming.moved
    names = [f'decode_head.upsamplers.{i}.offset.weight' for i in range(3)]
    found, _ = renamed(names, [f'decode_head.upsample_modules.{i}.offset.weight' for i in range(3)])
    assert found[names[1]] == 'decode_head.upsample_modules.1.offset.weight'


def test_plain_layers_of_the_forks():
    own = [
        'neck.upsample_modules.0.layer.weight',
        'neck.upsample_modules.1.layer.upsample_conv.weight',
        'neck.upsample_modules.2.layer.upsample_conv.bias',
    ]
    names = [
        'neck.upsample_modules.0.weight',
        'neck.upsample_modules.1.0.weight',
        'neck.upsample_modules.2.upsample_conv.bias',
    ]
    found, _ = renamed(names, own)
    assert [found[name] for name in names] == own


BACKBONE = {
    'backbone.patch_embed1.proj.weight': 'backbone.layers.0.0.projection.weight',
    'backbone.patch_embed4.norm.bias': 'backbone.layers.3.0.norm.bias',
    'backbone.norm2.weight': 'backbone.layers.1.2.weight',
    'backbone.block1.0.norm1.weight': 'backbone.layers.0.1.0.norm1.weight',
    'backbone.block3.1.norm2.bias': 'backbone.layers.2.1.1.norm2.bias',
    'backbone.block1.0.attn.proj.bias': 'backbone.layers.0.1.0.attn.attn.out_proj.bias',
    'backbone.block1.0.attn.sr.weight': 'backbone.layers.0.1.0.attn.sr.weight',
    'backbone.block1.0.attn.norm.weight': 'backbone.layers.0.1.0.attn.norm.weight',
    'backbone.block2.1.mlp.fc1.weight': 'backbone.layers.1.1.1.ffn.layers.0.weight',
    'backbone.block2.1.mlp.dwconv.dwconv.bias': 'backbone.layers.1.1.1.ffn.layers.1.bias',
    'backbone.block2.1.mlp.fc2.bias': 'backbone.layers.1.1.1.ffn.layers.4.bias',
}


def test_segformers_own_backbone():
    found, renaming = renamed([*BACKBONE, 'backbone.head.weight'])
    assert found == BACKBONE and list(renaming.left) == ['backbone.head.weight']
    assert renaming.state['backbone.layers.1.1.1.ffn.layers.0.weight'].shape == (4, 2, 1, 1)
    assert renaming.state['backbone.layers.1.1.1.ffn.layers.4.bias'].shape == (4, 2)


def test_queries_come_before_keys_and_values():
    state = {
        'backbone.block1.0.attn.kv.weight': torch.randn(8, 4),
        'backbone.block1.0.attn.q.weight': torch.randn(4, 4),
    }
    joined = rename(state, set()).state['backbone.layers.0.1.0.attn.attn.in_proj_weight']
    assert torch.equal(joined[:4], state['backbone.block1.0.attn.q.weight'])
    assert torch.equal(joined[4:], state['backbone.block1.0.attn.kv.weight'])


def test_a_layer_that_segformers_own_head_does_not_use():
    names = ['decode_head.linear_pred.weight', 'decode_head.conv_seg.weight']
    found, renaming = renamed(names)
    assert found == {names[0]: names[0]} and list(renaming.left) == names[1:]
    found, renaming = renamed(names[1:])
    assert found == {names[1]: names[1]} and not renaming.left
