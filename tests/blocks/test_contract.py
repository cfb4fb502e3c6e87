"""What holds for every block: its start, its sizes and dtypes, its mistakes."""

import copy
import pickle
from inspect import signature

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck
from torch.func import functional_call

from mmdyup import blocks
from mmdyup.blocks import EMA, MSCA, HybridDown, SPDConv, SPDConvLite, fuse
from mmdyup.blocks.layers import Gate
from mmdyup.testing import DEVICES, HALVES, needs_export_for_any_size

BLOCKS = {
    'SPDConv': lambda: SPDConv(8, 16),
    'SPDConvLite': lambda: SPDConvLite(8, 16, groups=4),
    'HybridDown': lambda: HybridDown(8, 16),
    'EMA': lambda: EMA(8, 4),
    'MSCA': lambda: MSCA(8),
    'MSCA shuffled': lambda: MSCA(8, shuffle=True),
}
# they hold the others' layers, and take their time
LARGEST = ['SPDConvLite', 'MSCA shuffled']
of_every_block = pytest.mark.parametrize('build', BLOCKS.values(), ids=BLOCKS)
GATES = {'SPDConvLite': ['alpha'], 'HybridDown': ['beta'], 'MSCA': ['ga', 'gg']}


def stirred(build):
    block = build()
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.3)
    for name, tensor in block.named_buffers():
        if name.endswith(('running_mean', 'running_var')):
            tensor.uniform_(0.5, 2)
    return block


def conv(c1, c2):
    """Ultralytics' ``Conv`` of kernel 3 and stride 2, names included."""
    layers = dict(conv=nn.Conv2d(c1, c2, 3, 2, 1, bias=False), bn=nn.BatchNorm2d(c2), act=nn.SiLU())
    block = nn.Sequential()
    for name, layer in layers.items():
        block.add_module(name, layer)
    return block


def gates(block):
    return {name: m for name, m in block.named_modules() if isinstance(m, Gate)}


def test_the_list_of_blocks_is_whole():
    assert {cls.__name__ for cls in (*blocks.DOWNSAMPLING, *blocks.ATTENTION)} == {*blocks.__all__}
    assert {type(build()).__name__ for build in BLOCKS.values()} == {*blocks.__all__}


@of_every_block
def test_the_list_of_layers_is_whole(build):
    ours = {type(m) for m in build().modules() if type(m).__module__.startswith('mmdyup')}
    assert ours <= {*blocks.DOWNSAMPLING, *blocks.ATTENTION, *blocks.LAYERS}


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('size', [(2, 5, 7), (2, 1, 1), (0, 4, 3)], ids=str)
@of_every_block
def test_any_size_and_a_gradient_everywhere(build, size, device):
    block = stirred(build).to(device)
    n, h, w = size
    x = torch.randn(n, 8, h, w, device=device, requires_grad=True)
    y = block(x)
    keeps = isinstance(block, blocks.ATTENTION)
    assert y.shape == (x.shape if keeps else (n, 16, (h + 1) // 2, (w + 1) // 2))
    y.square().sum().backward()
    assert x.grad.isfinite().all()
    for name, parameter in block.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@pytest.mark.parametrize('training', [True, False], ids=['training', 'eval'])
@of_every_block
def test_gradients_are_those_of_the_function(build, training):
    block = stirred(build).double().train(training)
    parameters = dict(block.named_parameters())

    def run(x, *values):
        return functional_call(block, dict(zip(parameters, values, strict=True)), (x,))

    x = torch.randn(2, 8, 3, 4, dtype=torch.double, requires_grad=True)
    assert gradcheck(run, (x, *parameters.values()), fast_mode=True)


@pytest.mark.parametrize('dtype', HALVES, ids=str)
@of_every_block
def test_half_precision_is_close(build, dtype):
    block, x = stirred(build).eval(), torch.randn(2, 8, 6, 7)
    expected = block(x)
    y = copy.deepcopy(block).to(dtype)(x.to(dtype))
    assert y.dtype == dtype
    eps = 16 * torch.finfo(dtype).eps * expected.abs().max().item()
    torch.testing.assert_close(y.float(), expected, rtol=0, atol=eps)


@of_every_block
def test_autocast_keeps_half_precision(build):
    block = stirred(build)
    with torch.autocast('cpu', torch.bfloat16):
        y = block(torch.randn(2, 8, 6, 7).bfloat16())
    assert y.dtype == torch.bfloat16
    y.float().square().sum().backward()
    for name, parameter in block.named_parameters():
        assert parameter.grad.dtype == torch.float32 and parameter.grad.isfinite().all(), name


@of_every_block
def test_channels_last_gives_the_same(build):
    block, x = stirred(build).eval(), torch.randn(2, 8, 6, 7)
    y = block.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(y, block(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    'copied', [copy.deepcopy, lambda z: pickle.loads(pickle.dumps(z))], ids=['copy', 'pickle']
)
@of_every_block
def test_a_copy_is_the_same_and_its_own(build, copied):
    block, x = stirred(build).eval(), torch.randn(1, 8, 4, 6)
    expected, other = block(x), copied(block)
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(other(x), expected)


@pytest.mark.slow
@pytest.mark.parametrize('build', [BLOCKS[name] for name in LARGEST], ids=LARGEST)
def test_compiles_into_one_graph(build):
    torch.compiler.reset()
    block, x = stirred(build), torch.randn(2, 8, 5, 4)
    expected = copy.deepcopy(block)(x)
    compiled = torch.compile(block, fullgraph=True, backend='aot_eager')
    torch.testing.assert_close(compiled(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize(
    ('name', 'dynamo'),
    [
        *((name, False) for name in BLOCKS),
        *(pytest.param(name, True, marks=needs_export_for_any_size) for name in LARGEST),
    ],
)
def test_onnx_of_any_size(name, dynamo, tmp_path):
    pytest.importorskip('onnxscript')
    runtime = pytest.importorskip('onnxruntime')
    block, path = stirred(BLOCKS[name]).eval(), tmp_path / 'block.onnx'
    shapes = dict(dynamic_axes={name: {2: f'{name}_h', 3: f'{name}_w'} for name in 'xy'})
    if dynamo:
        shapes = dict(dynamic_shapes=(dict.fromkeys((2, 3), torch.export.Dim.AUTO),))
    names = dict(input_names=['x'], output_names=['y'])
    # PyTorch 2.1 knows one exporter
    choice = 'dynamo' in signature(torch.onnx.export).parameters
    how = dict(dynamo=dynamo, opset_version=18) if choice else dict(opset_version=17)
    torch.onnx.export(block, (torch.randn(1, 8, 6, 8),), str(path), **how, **names, **shapes)
    session = runtime.InferenceSession(path)
    for size in [(6, 8), (5, 9), (10, 3)]:
        x = torch.randn(1, 8, *size)
        (y,) = session.run(None, {'x': x.numpy()})
        torch.testing.assert_close(torch.from_numpy(y), block(x), rtol=1e-4, atol=1e-5)


# the start


@pytest.mark.parametrize('training', [True, False], ids=['training', 'eval'])
def test_hybrid_down_starts_as_its_conv_whose_state_fits(training):
    parent, block = stirred(lambda: conv(8, 16)).train(training), HybridDown(8, 16).train(training)
    missing, unexpected = block.load_state_dict(parent.state_dict(), strict=False)
    assert missing and not unexpected
    assert all(name.startswith(('path.', 'beta.')) for name in missing)
    for size in [(8, 6), (5, 7)]:
        x = torch.randn(2, 8, *size)
        assert torch.equal(block(x), parent(x))


@pytest.mark.parametrize('shuffle', [False, True])
def test_msca_starts_as_the_identity(shuffle):
    x = torch.randn(2, 8, 5, 6)
    assert torch.equal(MSCA(8, shuffle=shuffle)(x), x)


def test_spd_conv_lite_starts_without_attention():
    block, x = SPDConvLite(8, 16).eval(), torch.randn(2, 8, 6, 6)
    assert torch.equal(block(x), block.path(x))
    block.alpha.bias.data.fill_(1)
    torch.testing.assert_close(block(x), block.ema(block.path(x)))


def test_ema_starts_at_about_one_half():
    x = torch.randn(2, 64, 20, 20)
    assert (EMA(64, 16)(x) / x).median().item() == pytest.approx(0.5, abs=0.15)


# gates


@of_every_block
def test_gates_are_zero_and_get_a_gradient_at_once(build):
    block = build()
    found = gates(block)
    assert [*found] == GATES.get(type(block).__name__, [])
    block(torch.randn(2, 8, 6, 6)).square().sum().backward()
    for gate in found.values():
        assert gate.bias.item() == 0 and gate.bias.grad.item() != 0


@pytest.mark.parametrize('name', GATES)
def test_gates_are_not_decayed(name):
    optim = pytest.importorskip('mmengine.optim')
    block = BLOCKS[name]()
    optimizer = optim.build_optim_wrapper(
        block,
        dict(
            optimizer=dict(type='SGD', lr=0.1, weight_decay=0.05),
            paramwise_cfg=dict(bias_decay_mult=0.0),
        ),
    ).optimizer
    decay = {id(g['params'][0]): g['weight_decay'] for g in optimizer.param_groups}
    for path, gate in gates(block).items():
        # Ultralytics goes by the word in the name
        assert 'bias' in next(n for n, p in block.named_parameters() if p is gate.bias), path
        assert decay[id(gate.bias)] == 0
    assert 0.05 in decay.values()


# fusing


def norms(model):
    return [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]


@pytest.mark.parametrize('block', blocks.DOWNSAMPLING)
def test_fused_is_what_it_was(block):
    block = stirred(lambda: block(8, 16)).double().eval()
    x = torch.randn(2, 8, 7, 6, dtype=torch.double)
    expected = block(x)
    model = nn.Sequential(block, nn.BatchNorm2d(16)).eval()
    assert fuse(model) is model and len(norms(model)) == 1
    torch.testing.assert_close(block(x), expected)
    torch.testing.assert_close(fuse(block)(x), expected)
    if isinstance(block, HybridDown):
        block.beta.bias.data.zero_()
        assert not torch.allclose(block(x), expected)


@pytest.mark.parametrize('block', blocks.DOWNSAMPLING)
def test_mmcv_fuses_them_too(block):
    fuse_conv_bn = pytest.importorskip('mmcv.cnn').fuse_conv_bn
    block = stirred(lambda: block(8, 16)).double().eval()
    x = torch.randn(2, 8, 7, 6, dtype=torch.double)
    expected = block(x)
    fused = fuse_conv_bn(block)
    assert not norms(fused)
    torch.testing.assert_close(fused(x), expected)


# MSCA's merge


@pytest.mark.parametrize('shuffle', [False, True])
def test_shuffled_every_group_sees_all_branches(shuffle):
    block = stirred(lambda: MSCA(16, shuffle=shuffle))
    merged = []
    block.merge.register_forward_hook(lambda module, inputs, y: merged.append(y))
    block(torch.randn(1, 16, 6, 6))
    for group, quarter in enumerate(merged[0].chunk(4, 1)):
        weights = [next(branch.parameters()) for branch in block.branches]
        grads = torch.autograd.grad(quarter.sum(), weights, retain_graph=True)
        seen = [i for i, grad in enumerate(grads) if grad.any()]
        assert seen == ([0, 1, 2, 3] if shuffle else [group])


def test_a_state_of_msca_fits_either_way():
    published, mended = MSCA(16), MSCA(16, shuffle=True)
    mended.load_state_dict(published.state_dict(), strict=True)
    published.load_state_dict(mended.state_dict(), strict=True)


# mistakes


@pytest.mark.parametrize(
    ('build', 'kind', 'match'),
    [
        (lambda: SPDConv(8.0, 16), TypeError, 'c1 must be an integer, but it is 8.0'),
        (lambda: SPDConv(8, 16, 2), ValueError, 'k must be odd'),
        (lambda: SPDConv(8, 16, s=0), ValueError, 's must be at least 1'),
        (lambda: SPDConvLite(8, 16, ratio='0.5'), TypeError, 'ratio must be a number'),
        (
            lambda: SPDConvLite(8, 16, ratio=0),
            ValueError,
            'ratio must be above 0 and finite, but it is 0',
        ),
        (lambda: SPDConvLite(8, 24), ValueError, 'groups=16 must divide the 24 channels'),
        (lambda: HybridDown(8, 0), ValueError, 'c2 must be at least 1'),
        (lambda: HybridDown(8, 16, 4), ValueError, 'k must be odd'),
        (lambda: EMA(48), ValueError, 'groups=32 must divide the 48 channels'),
        (lambda: EMA('64'), TypeError, 'in_channels must be an integer'),
        (lambda: MSCA(18), ValueError, 'in_channels must be a multiple of 4, but it is 18'),
        (lambda: MSCA(16, 0), ValueError, 'reduction must be at least 1'),
        (
            lambda: EMA(8, 4)(torch.ones(1, 6, 2, 2)),
            ValueError,
            r'EMA was built for 8 channels, but x has 6',
        ),
        (lambda: SPDConv(8, 8)(torch.ones(8, 2, 2)), ValueError, r'shape \(N, C, H, W\), but'),
    ],
)
def test_mistakes_are_told_in_a_sentence(build, kind, match):
    with pytest.raises(kind, match=match) as error:
        build()
    assert str(error.value).count('\n') == 0
