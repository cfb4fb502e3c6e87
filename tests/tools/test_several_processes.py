"""Two processes on the CPU beside one."""

import os
import pickle
import re
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS

from recipes.cli import load_config, make_parser
from recipes.processes import joined, use_cpus
from shapes import generate_shapes

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

ROOT = Path(__file__).resolve().parents[2]
NO_WORKERS = [
    f'{split}_dataloader.{key}'
    for split in ('train', 'val', 'test')
    for key in ('num_workers=0', 'persistent_workers=False')
]
# no batch statistics, and no random numbers, which each process has of its own
SEGMENTER = f"""
_base_ = {str(ROOT / 'configs/segformer_b1_dysample.py')!r}
custom_imports = dict(imports=[{{imports}}], allow_failed_imports=False)
model = dict(
    backbone=dict(drop_rate=0.0, attn_drop_rate=0.0, drop_path_rate=0.0),
    decode_head=dict(dropout_ratio=0, norm_cfg=dict(type='GN', num_groups=8)),
)
{{hooks}}
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='Resize', scale=(64, 64)),
            dict(type='PackSegInputs'),
        ]
    )
)
"""
KILLER = """
import os
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class Killer(Hook):
    def before_train_iter(self, runner, *args, **options):
        if runner.rank == 1 and runner.iter == 1:
            os.kill(os.getpid(), 9)
"""


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """With an odd number of pictures to validate on."""
    return generate_shapes(tmp_path_factory.mktemp('data') / 'few', num_train=8, num_val=3, size=64)


def test_one_process_needs_nothing():
    cfg = Config(dict(launcher='none', model=dict()))
    with joined(cfg):
        assert 'model_wrapper_cfg' not in cfg
    assert not torch.distributed.is_initialized()


def test_what_mmengine_lacks_for_cpus():
    norm = dict(type='SyncBN', requires_grad=True)
    cfg = Config(dict(model=dict(head=dict(norm_cfg=norm)), find_unused_parameters=True))
    use_cpus(cfg)
    assert cfg.model_wrapper_cfg.device_ids is None
    assert cfg.model_wrapper_cfg.find_unused_parameters
    assert cfg.model.head.norm_cfg == dict(type='BN', requires_grad=True)


def run(script, *words, at):
    """What one of the shell scripts did with two processes."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    env = dict(
        os.environ,
        PYTHON=sys.executable,
        PORT=str(port),
        OMP_NUM_THREADS='1',
        CUDA_VISIBLE_DEVICES='',
        PYTHONPATH=os.pathsep.join([str(at), str(ROOT)]),
    )
    return subprocess.run(
        [ROOT / 'tools' / script, *map(str, words)], env=env, cwd=at, capture_output=True, text=True
    )


def call(script, *words):
    runpy.run_path(str(ROOT / f'tools/{script}.py'))['main']([str(word) for word in words])


@pytest.mark.slow
def test_two_processes_take_the_step_of_one(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'killer.py').write_text(KILLER)
    (tmp_path / 'small.py').write_text(SEGMENTER.format(imports="'mmdyup'", hooks=''))
    hooks = "custom_hooks = [dict(type='Killer')]"
    killed = SEGMENTER.format(imports="'mmdyup', 'killer'", hooks=hooks)
    (tmp_path / 'killed.py').write_text(killed)
    flags = ['--data', data, '--from-scratch', '--tiny', '--cfg-options', *NO_WORKERS]
    flags += ['randomness.seed=1', 'train_cfg.max_iters=2', 'optim_wrapper.optimizer.type=SGD']
    flags += ['optim_wrapper.optimizer.lr=0.1']
    call('train', 'small.py', *flags, 'train_dataloader.batch_size=4', '--work-dir', 'one')
    two = run(
        'dist_train.sh',
        *['small.py', 2, *flags, 'train_dataloader.batch_size=2', '--work-dir', 'two'],
        at=tmp_path,
    )
    assert two.returncode == 0, two.stderr
    assert two.stdout.count('Trained: ') == 1 and 'mBIoU' in two.stdout
    # nobody left the group before the others
    assert 'destroy_process_group' not in two.stderr and 'closed by peer' not in two.stderr
    one, both = (torch.load(f'{name}/iter_2.pth', weights_only=False) for name in ('one', 'two'))
    for name, value in one['state_dict'].items():
        torch.testing.assert_close(both['state_dict'][name], value, rtol=1e-4, atol=1e-6)

    # two processes scored every picture once, as one does
    capsys.readouterr()
    call('test', 'small.py', 'two/iter_2.pth', *flags)
    assert scores(capsys.readouterr().out) == scores(two.stdout)

    killed = run('dist_train.sh', 'killed.py', 2, *flags, '--work-dir', 'killed', at=tmp_path)
    assert killed.returncode != 0 and 'Signal 9 (SIGKILL)' in killed.stderr
    assert 'Trained' not in killed.stdout


def scores(out):
    """The last mIoU and mBIoU, aAcc and mAcc that a run logged."""
    found = re.findall(r'(aAcc|mIoU|mAcc|mBIoU): ([\d.]+)', out)
    assert len(found) >= 4
    return dict(found[-4:])


@pytest.mark.slow
def test_two_processes_detect_in_every_picture_once(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = str(ROOT / 'configs/faster_rcnn_dysample.py')
    flags = ['--data', data, '--from-scratch', '--tiny', '--cfg-options', *NO_WORKERS]
    parsed = make_parser('').parse_args([config, *map(str, flags)])
    cfg = load_config(parsed)
    with MODELS.switch_scope_and_registry('mmdet'):
        model = MODELS.build(cfg.model)
    model.init_weights()
    torch.save(model.state_dict(), 'weights.pth')
    two = run('dist_test.sh', config, 'weights.pth', 2, *flags, '--out', 'two.pkl', at=tmp_path)
    assert two.returncode == 0, two.stderr
    call('test', config, 'weights.pth', *flags, '--out', 'one.pkl')
    one, both = (pickle.loads(Path(f'{name}.pkl').read_bytes()) for name in ('one', 'two'))
    assert [entry['img_id'] for entry in both] == [entry['img_id'] for entry in one]
    assert len(both) == 3
    for a, b in zip(one, both, strict=True):
        for key in ('scores', 'bboxes', 'labels'):
            torch.testing.assert_close(b['pred_instances'][key], a['pred_instances'][key])
