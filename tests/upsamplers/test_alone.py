"""Upsamplers where mmengine, mmcv and what is built on them are missing, or broken."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmdyup import build_upsampler, list_upsamplers

ROOT = Path(__file__).parents[2]
CFGS = list_upsamplers() | {
    name: dict(type=name) for name in ('nearest', 'bilinear', 'deconv', 'pixel_shuffle')
}

# run elsewhere: what is built here, built there, and each read by the other
SCRIPT = """
import sys, types
from pathlib import Path

import torch

for name in {missing!r}:
    sys.modules[name] = None
# what `import mmdyup` does beside this is not asked here
package = types.ModuleType('mmdyup')
package.__path__ = [str(Path({root!r}) / 'mmdyup')]
sys.modules['mmdyup'] = package
from mmdyup.upsamplers import Upsampler, build_upsampler, list_upsamplers

assert not any(name.partition('.')[0] in ('mmcv', 'mmdet', 'mmseg') and sys.modules[name]
               for name in sys.modules)
assert Upsampler.__mro__[2] is torch.nn.Module, Upsampler.__mro__
folder = Path({folder!r})
theirs, ours = torch.load(folder / 'with.pt', weights_only=False), {{}}
listed = list_upsamplers()
for name, (cfg, x, guide, built, started, stirred, result) in theirs.items():
    assert listed.get(name, cfg) == cfg
    torch.manual_seed(3)
    upsampler = build_upsampler(cfg, 32)
    torch.testing.assert_close(upsampler.state_dict(), built, rtol=0, atol=0)
    torch.manual_seed(4)
    upsampler.init_weights()
    torch.testing.assert_close(upsampler.state_dict(), started, rtol=0, atol=0)
    upsampler.load_state_dict(stirred.state_dict())
    assert torch.equal(upsampler(x, guide), result)
    assert torch.equal(stirred(x, guide), result)
    ours[name] = upsampler
torch.save(ours, folder / 'without.pt')

try:
    build_upsampler(dict(type='DySample', init_cfg=dict(type='Normal', layer='Conv2d')), 32)
except ImportError as error:
    print(error)
try:
    build_upsampler(dict(type='carafe'), 32)
except ImportError as error:
    print(error)
try:
    build_upsampler(dict(type='Dysample'), 32)
except ValueError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize('state', ['missing', 'broken'])
def test_the_same_without_mmengine(state, tmp_path):
    theirs = {}
    for name, cfg in CFGS.items():
        torch.manual_seed(3)
        upsampler = build_upsampler(cfg, 32)
        built = {key: value.clone() for key, value in upsampler.state_dict().items()}
        torch.manual_seed(4)
        upsampler.init_weights()
        started = {key: value.clone() for key, value in upsampler.state_dict().items()}
        for parameter in upsampler.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        x = torch.randn(1, 32, 3, 4)
        guide = torch.randn(1, 32, 6, 8) if upsampler.guided else None
        theirs[name] = (cfg, x, guide, built, started, upsampler, upsampler(x, guide).detach())
    torch.save(theirs, tmp_path / 'with.pt')

    packages = ['mmcv', 'mmdet', 'mmseg']
    (tmp_path / 'broken' / 'mmengine').mkdir(parents=True)
    if state == 'missing':
        packages.append('mmengine')
    else:
        (tmp_path / 'broken' / 'mmengine' / '__init__.py').write_text("raise OSError('half of it')")
    script = SCRIPT.format(missing=packages, root=str(ROOT), folder=str(tmp_path))
    answer = subprocess.run(
        [sys.executable, '-c', script],
        env=os.environ | dict(PYTHONPATH=os.pathsep.join([str(tmp_path / 'broken'), str(ROOT)])),
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    init_cfg, carafe, unknown = answer.stdout.splitlines()
    reason = 'half of it' if state == 'broken' else 'mmengine'
    assert init_cfg.startswith('init_cfg needs mmengine') and reason in init_cfg
    assert '`pip install mmengine` or `pip install onedl-mmengine`' in init_cfg
    assert "type='CARAFE' has the same weights and needs no mmcv" in carafe
    named = unknown.partition('must be one of ')[2]
    assert {cfg['type'] for cfg in CFGS.values()} <= {*named.rstrip('.').split(', ')}

    ours = torch.load(tmp_path / 'without.pt', weights_only=False)
    for name, (_, x, guide, _, _, upsampler, result) in theirs.items():
        assert torch.equal(ours[name](x, guide), result)
        upsampler.load_state_dict(ours[name].state_dict())
        ours[name].init_weights()
