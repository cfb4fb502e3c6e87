import pytest
import torch
from mmengine import model as theirs
from torch import nn

from mmdyup.upsamplers import init as ours

LAYERS = [
    nn.Conv2d(6, 4, 3),
    nn.Conv2d(6, 4, 1, bias=False),
    nn.ConvTranspose2d(4, 6, 3),
    nn.ReLU(),
]
NORM = nn.GroupNorm(2, 4)
PAIRS = {
    'xavier': (ours.xavier_init, lambda z: theirs.xavier_init(z, distribution='uniform')),
    'normal': (lambda z: ours.normal_init(z, 0.02), lambda z: theirs.normal_init(z, std=0.02)),
    'constant': (lambda z: ours.constant_init(z, 3), lambda z: theirs.constant_init(z, 3)),
}


@pytest.mark.parametrize(
    'name, layer',
    [*((name, layer) for name in PAIRS for layer in LAYERS), ('normal', NORM), ('constant', NORM)],
    ids=str,
)
def test_a_seed_gives_what_mmengine_gives(name, layer):
    start, expected = PAIRS[name]
    states = []
    for init in (start, expected):
        for parameter in layer.parameters():
            nn.init.constant_(parameter, torch.nan)
        torch.manual_seed(5)
        init(layer)
        states.append({name: value.clone() for name, value in layer.state_dict().items()})
    torch.testing.assert_close(*states, rtol=0, atol=0)
