"""Every block is its formula, written plainly, in float64; and its counts."""

import pytest
import torch
import torch.nn.functional as F

from mmdyup.blocks import EMA, MSCA, HybridDown, SPDConv, SPDConvLite


def stirred(block):
    """In evaluation, with weights, gates and statistics away from the start."""
    for tensor in block.state_dict().values():
        if tensor.is_floating_point():
            tensor.normal_(std=0.5)
    for name, tensor in block.named_buffers():
        if name.endswith('running_var'):
            tensor.uniform_(0.5, 2)
    return block.double().eval()


def silu(x):
    return x / (1 + torch.exp(-x))


def sigmoid(x):
    return 1 / (1 + torch.exp(-x))


def conv_bn_act(state, prefix, x, s=1, groups=1):
    w = state[f'{prefix}conv.weight']
    y = F.conv2d(x, w, stride=s, padding=w.shape[-1] // 2, groups=groups)
    mean, var, weight, bias = (
        state[f'{prefix}bn.{name}'][:, None, None]
        for name in ('running_mean', 'running_var', 'weight', 'bias')
    )
    return silu((y - mean) / (var + 1e-5).sqrt() * weight + bias)


def space_to_depth(x, s):
    n, c, h, w = x.shape
    y = torch.zeros(n, c * s * s, -(-h // s), -(-w // s), dtype=x.dtype)
    for channel in range(c):
        for row in range(h):
            for column in range(w):
                place = (row % s) * s + column % s
                y[:, channel * s * s + place, row // s, column // s] = x[:, channel, row, column]
    return y


def path(state, prefix, x, s):
    y = conv_bn_act(state, f'{prefix}1.', space_to_depth(x, s))
    y = conv_bn_act(state, f'{prefix}2.', y, groups=y.shape[1])
    return conv_bn_act(state, f'{prefix}3.', y)


def softmax(values):
    exponentials = [torch.exp(value) for value in values]
    return [e / sum(exponentials) for e in exponentials]


def ema(state, prefix, x, groups):
    y = torch.empty_like(x)
    one = state[f'{prefix}conv1x1.weight'][:, :, 0, 0], state[f'{prefix}conv1x1.bias']
    three = state[f'{prefix}conv3x3.weight'], state[f'{prefix}conv3x3.bias']
    scale, shift = state[f'{prefix}gn.weight'], state[f'{prefix}gn.bias']
    c = x.shape[1] // groups
    for n in range(len(x)):
        for j in range(0, x.shape[1], c):
            g = x[n, j : j + c]
            strip = torch.cat((g.mean(2), g.mean(1)), 1)
            strip = sigmoid(one[0] @ strip + one[1][:, None])
            rows, columns = strip[:, : g.shape[1]], strip[:, g.shape[1] :]
            a = g * rows[:, :, None] * columns[:, None, :]
            a = [
                (m - m.mean()) / (m.var(unbiased=False) + 1e-5).sqrt() * scale[i] + shift[i]
                for i, m in enumerate(a)
            ]
            b = list(F.conv2d(g[None], *three, padding=1)[0])
            of_a, of_b = softmax([m.mean() for m in a]), softmax([m.mean() for m in b])
            weights = sum(of_a[i] * b[i] + of_b[i] * a[i] for i in range(c))
            y[n, j : j + c] = g * sigmoid(weights)
    return y


def depthwise(state, name, x, dilation=1):
    w, bias = state[f'{name}.weight'], state.get(f'{name}.bias')
    padding = tuple(dilation * (k // 2) for k in w.shape[-2:])
    maps = [
        F.conv2d(
            x[:, i : i + 1],
            w[i : i + 1],
            None if bias is None else bias[i : i + 1],
            padding=padding,
            dilation=dilation,
        )
        for i in range(x.shape[1])
    ]
    return torch.cat(maps, 1)


def msca(state, x, shuffle):
    c = x.shape[1]
    parts = [
        depthwise(state, 'branches.0', x),
        depthwise(state, 'branches.1.1', depthwise(state, 'branches.1.0', x)),
        depthwise(state, 'branches.2', x, 2),
        depthwise(state, 'branches.3', x, 3),
    ]
    wide = [part[:, i] for part in parts for i in range(c)]
    if shuffle:
        wide = [part[:, i] for i in range(c) for part in parts]
    m = depthwise(state, 'local', x)
    for out in range(c):
        first = out // (c // 4) * c  # of its group's channels
        for i in range(c):
            m[:, out] = m[:, out] + state['merge.weight'][out, i, 0, 0] * wide[first + i]
    w1, b1 = state['channel_weights.1.weight'][:, :, 0, 0], state['channel_weights.1.bias']
    w2, b2 = state['channel_weights.3.weight'][:, :, 0, 0], state['channel_weights.3.bias']
    u = sigmoid(silu(m.mean((2, 3)) @ w1.T + b1) @ w2.T + b2)
    t = m * u[:, :, None, None]
    return x + state['ga.bias'] * t + state['gg.bias'] * x * sigmoid(t)


def expected(block, x, s):
    state = block.state_dict()
    if isinstance(block, SPDConv):
        return conv_bn_act(state, 'conv.', space_to_depth(x, s))
    if isinstance(block, SPDConvLite):
        y = path(state, 'path.', x, s)
        return y + state['alpha.bias'] * (ema(state, 'ema.', y, block.ema.groups) - y)
    if isinstance(block, HybridDown):
        return conv_bn_act(state, '', x, s) + state['beta.bias'] * path(state, 'path.', x, s)
    if isinstance(block, EMA):
        return ema(state, '', x, block.groups)
    return msca(state, x, block.shuffle)


@pytest.mark.parametrize('size', [(6, 8), (7, 5), (1, 2)], ids=str)
@pytest.mark.parametrize('s', [2, 3])
@pytest.mark.parametrize(
    ('block', 'options'),
    [
        (SPDConv, {}),
        (SPDConv, dict(k=1)),
        (SPDConvLite, {}),
        (SPDConvLite, dict(k=5, ratio=2, groups=4)),
        (HybridDown, {}),
        (HybridDown, dict(k=1, ratio=1.5)),
    ],
    ids=str,
)
def test_blocks_that_downsample(block, options, s, size):
    block = stirred(block(3, 16, s=s, **options))
    x = torch.randn(2, 3, *size, dtype=torch.double)
    y = block(x)
    assert y.shape == (2, 16, -(-size[0] // s), -(-size[1] // s))
    torch.testing.assert_close(y, expected(block, x, s))


@pytest.mark.parametrize('size', [(6, 8), (7, 5), (1, 2)], ids=str)
@pytest.mark.parametrize(
    ('block', 'options'),
    [
        (EMA, dict(groups=4)),
        (EMA, dict(groups=16)),
        (EMA, dict(groups=1)),
        (MSCA, {}),
        (MSCA, dict(reduction=2)),
        (MSCA, dict(shuffle=True)),
    ],
    ids=str,
)
def test_blocks_that_keep_channels(block, options, size):
    block = stirred(block(16, **options))
    x = torch.randn(2, 16, *size, dtype=torch.double)
    torch.testing.assert_close(block(x), expected(block, x, None))


@pytest.mark.parametrize('s', [2, 3])
def test_spd_and_a_pixel_are_a_convolution_of_that_stride(s):
    block = stirred(SPDConv(3, 8, 1, s))
    x = torch.randn(2, 3, 4 * s, 2 * s, dtype=torch.double)
    kernel = block.conv.conv.weight.view(8, 3, s, s)
    torch.testing.assert_close(block.conv.conv(block.cells(x)), F.conv2d(x, kernel, stride=s))


@pytest.mark.parametrize(
    ('block', 'parameters', 'tensors'),
    [
        (SPDConv(64, 64), 4 * 36_864 + 128, 6),
        (SPDConvLite(64, 64), 10_961, 3 * 6 + 6 + 1),
        # what it adds to its Conv of 36,992 parameters and 6 tensors
        (HybridDown(64, 64), 36_992 + 5_457, 6 + 3 * 6 + 1),
        (EMA(64, 16), 176, 6),
        (EMA(64), 10 * 2**2 + 4 * 2, 6),
        (MSCA(256), 100_386, 10 + 2 + 4 + 2),
        (MSCA(256, shuffle=True), 100_386, 10 + 2 + 4 + 2),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, torch.nn.Module) else str(value),
)
def test_counts(block, parameters, tensors):
    assert sum(p.numel() for p in block.parameters()) == parameters
    assert len(block.state_dict()) == tensors
