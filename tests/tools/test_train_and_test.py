"""tools/train.py and tools/test.py as a person uses them."""

import json
import os
import pickle
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch

from recipes.cli import load_config, make_parser
from shapes import generate_shapes

pytest.importorskip('mmdet')
pytestmark = pytest.mark.usefixtures('elsewhere')

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / 'configs/faster_rcnn_dysample.py')
QUICK = [
    '--cfg-options',
    'train_dataloader.batch_size=2',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False',
    'test_dataloader.num_workers=0',
    'test_dataloader.persistent_workers=False',
]


run_train, run_test = (
    runpy.run_path(str(ROOT / f'tools/{name}.py'))['main'] for name in ('train', 'test')
)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return generate_shapes(tmp_path_factory.mktemp('data') / 'few', num_train=4, num_val=3, size=64)


@pytest.fixture
def no_models(monkeypatch):
    """Whatever is wrong must be said before a model is built."""

    def refuse(*args, **kwargs):
        raise AssertionError('a model was about to be built')

    monkeypatch.setattr('mmengine.runner.Runner.from_cfg', refuse)


def sentence(capsys, call, *argv):
    """What `call` says when it refuses."""
    with pytest.raises(SystemExit) as stop:
        call([str(word) for word in argv])
    message = stop.value.code
    assert isinstance(message, str), 'sys.exit with a text prints it and exits with status 1'
    assert '\n' not in message and message.endswith('.')
    return message


def change(data, to, split, edit):
    """A copy of the annotations at `to`, with the pictures of `data`, one file edited."""
    to.mkdir()
    (to / 'images').symlink_to(data / 'images')
    for name in ('train', 'val'):
        content = json.loads((data / f'{name}.json').read_text())
        if name == split:
            edit(content)
        (to / f'{name}.json').write_text(json.dumps(content))
    return to


def test_no_coco(capsys, no_models):
    message = sentence(capsys, run_train, CONFIG, '--from-scratch')
    assert 'data/coco/annotations/instances_train2017.json is missing' in message
    assert '--shapes' in message and '--data' in message


def test_two_data_sets(capsys, no_models, data):
    assert 'give one' in sentence(capsys, run_train, CONFIG, '--data', data, '--shapes')


def test_no_config(capsys, no_models):
    assert 'no config file none.py' in sentence(capsys, run_train, 'none.py', '--shapes')


def test_wrong_folder(capsys, no_models, tmp_path):
    assert 'there is no folder' in sentence(capsys, run_train, CONFIG, '--data', 'nowhere')
    assert 'train.json is missing' in sentence(capsys, run_train, CONFIG, '--data', tmp_path)


@pytest.mark.parametrize(
    'split, edit, words',
    [
        ('train', lambda d: d.update(annotations=[]), 'has no "annotations"'),
        ('val', lambda d: d['categories'].reverse(), 'lists its categories otherwise'),
        ('val', lambda d: d['images'][0].update(file_name='lost.png'), 'lost.png is missing'),
    ],
)
def test_wrong_files(capsys, no_models, data, tmp_path, split, edit, words):
    folder = change(data, tmp_path / 'edited', split, edit)
    assert words in sentence(capsys, run_train, CONFIG, '--data', folder, '--from-scratch')


def test_no_network(capsys, no_models, data, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError('unreachable')

    monkeypatch.setattr('urllib.request.urlopen', refuse)
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    message = sentence(capsys, run_train, CONFIG, '--data', data)
    assert 'torchvision://resnet50' in message and '--from-scratch' in message


def test_amp_without_a_gpu(capsys, no_models, data, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    message = sentence(capsys, run_train, CONFIG, '--data', data, '--from-scratch', '--amp')
    assert '--amp needs a GPU' in message


def test_no_checkpoint(capsys, no_models, data):
    flags = ['--data', data, '--from-scratch']
    message = sentence(capsys, run_test, CONFIG, 'none.pth', *flags)
    assert 'no checkpoint none.pth' in message
    message = sentence(capsys, run_train, CONFIG, '--resume', 'none.pth', *flags)
    assert 'no checkpoint none.pth' in message


def test_predictions_go_to_a_pickle(capsys, no_models, data):
    assert '.pkl' in sentence(capsys, run_test, CONFIG, 'x.pth', '--data', data, '--out', 'x.json')


@pytest.mark.slow
def test_from_the_shell(tmp_path):
    """The script by itself: one sentence, exit status 1, from any folder, not installed."""
    done = subprocess.run(
        [sys.executable, ROOT / 'tools/train.py', CONFIG, '--data', 'nowhere'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith('--data: there is no folder')


def steps_of(checkpoint):
    """How many steps the optimizer in `checkpoint` has made."""
    state = torch.load(checkpoint, map_location='cpu', weights_only=False)['optimizer']['state']
    return {int(entry['step']) for entry in state.values()}


@pytest.mark.slow
def test_train_resume_and_test(data, tmp_path, capsys):
    """Four steps in two runs, then a test of what they left."""
    flags = [CONFIG, '--data', str(data), '--from-scratch', '--tiny', '--work-dir', 'out', *QUICK]
    run_train([*flags, 'train_cfg.max_iters=2'])
    out = capsys.readouterr().out
    work_dir = tmp_path / 'out'
    for name in ('iter_2.pth', 'faster_rcnn_dysample.py', 'detections.png'):
        assert f'out/{name}' in out and (work_dir / name).is_file()
    assert 'bbox_mAP' in out
    log = next(line.split()[1] for line in out.splitlines() if line.startswith('  log'))
    assert 'Iter(train)' in Path(log).read_text() or 'Iter(val)' in Path(log).read_text()
    assert cv2.imread(str(work_dir / 'detections.png')).std() > 10

    run_train([*flags, 'train_cfg.max_iters=3', '--resume', '--show-dir', 'shown'])
    assert (tmp_path / 'shown/detections.png').is_file()
    assert steps_of(work_dir / 'iter_2.pth') == {2}
    assert steps_of(work_dir / 'iter_3.pth') == {3}

    # with the config that training saved, no other flag is needed
    run_test(
        [
            str(work_dir / 'faster_rcnn_dysample.py'),
            str(work_dir / 'iter_3.pth'),
            '--show-dir',
            'pictures',
            '--out',
            'found.pkl',
        ]
    )
    assert len(list((tmp_path / 'pictures').iterdir())) == 3
    found = pickle.loads(Path('found.pkl').read_bytes())
    assert [len(entry['pred_instances']['scores']) >= 0 for entry in found] == [True] * 3

    message = sentence(capsys, run_test, CONFIG, work_dir / 'iter_3.pth', '--data', data)
    assert 'holds the weights of another model' in message
    message = sentence(
        capsys,
        run_test,
        ROOT / 'configs/faster_rcnn_carafe.py',
        work_dir / 'iter_3.pth',
        *['--data', data, '--from-scratch', '--tiny'],
    )
    assert 'configs/faster_rcnn_dysample.py fits it' in message


KILLER = """
import os
from mmengine.fileio import LocalBackend

put = LocalBackend.put


def cut_off(self, content, path):
    if str(path).endswith('iter_4.pth'):
        open(path, 'wb').write(content[: len(content) // 2])
        os.kill(os.getpid(), 9)
    put(self, content, path)


LocalBackend.put = cut_off
"""


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on(data, tmp_path, capsys):
    """Killed between two checkpoints, and while it writes one; beside one that went through."""
    flags = ['--data', str(data), '--from-scratch', '--tiny', *QUICK]
    flags += ['randomness.seed=4', 'train_cfg.max_iters=5', 'default_hooks.checkpoint.interval=2']
    flags += ['val_dataloader=None', 'val_cfg=None', 'val_evaluator=None']
    flags += ['train_dataloader.num_workers=1', 'train_dataloader.persistent_workers=True']
    run_train([CONFIG, *flags, '--work-dir', 'whole'])
    assert 'Trained' in capsys.readouterr().out

    (tmp_path / 'killer.py').write_text(KILLER)
    imports = "custom_imports = dict(imports=['mmdyup', 'killer'])"
    (tmp_path / 'config.py').write_text(f'_base_ = {CONFIG!r}\n{imports}\n')
    done = subprocess.run(
        [sys.executable, ROOT / 'tools/train.py', 'config.py', *flags, '--work-dir', 'killed'],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)])),
        capture_output=True,
        text=True,
    )
    assert done.returncode == -9, done.stderr
    run_train([CONFIG, *flags, '--work-dir', 'killed', '--resume'])
    assert (
        'killed/iter_4.pth is cut off; going on from killed/iter_2.pth' in capsys.readouterr().out
    )
    whole, killed = (
        torch.load(tmp_path / name / 'iter_5.pth', weights_only=False)
        for name in ('whole', 'killed')
    )
    losses = [
        found['message_hub']['log_scalars']['train/loss'].data[0].tolist()
        for found in (whole, killed)
    ]
    assert len(set(losses[0])) == 5 and losses[0] == losses[1]
    assert whole['state_dict'].keys() == killed['state_dict'].keys()
    for name, value in whole['state_dict'].items():
        assert torch.equal(killed['state_dict'][name], value), name


def test_shapes_makes_its_data_and_implies_tiny(tmp_path, monkeypatch):
    few = dict(num_train=2, num_val=1, size=64)
    monkeypatch.setattr('recipes.cli.generate_shapes', lambda root: generate_shapes(root, **few))
    cfg = load_config(make_parser('').parse_args([CONFIG, '--shapes']))
    assert (tmp_path / 'data/shapes/train.json').is_file()
    assert cfg.model.backbone.depth == 18 and cfg.model.backbone.init_cfg is None
    assert cfg.model.roi_head.bbox_head.num_classes == 4
    assert cfg.model.neck.upsample_cfg.type == 'DySample'
    assert cfg.work_dir == 'work_dirs/faster_rcnn_dysample_shapes'


def test_options_have_the_last_word(data):
    cfg = load_config(
        make_parser('').parse_args(
            [
                CONFIG,
                '--data',
                str(data),
                '--tiny',
                '--from-scratch',
                '--cfg-options',
                'train_dataloader.batch_size=7',
                'train_cfg.max_iters=11',
            ]
        )
    )
    assert cfg.train_dataloader.batch_size == 7
    assert cfg.param_scheduler[-1].end == cfg.train_cfg.max_iters == 11


def test_auto_scale_lr(data, monkeypatch, capsys):
    seen = []

    class Stop(Exception):
        pass

    def note(cfg):
        seen.append(cfg)
        raise Stop

    monkeypatch.setattr('mmengine.runner.Runner.from_cfg', note)
    with pytest.raises(Stop):
        run_train([CONFIG, '--data', str(data), '--from-scratch', '--auto-scale-lr'])
    assert seen[0].auto_scale_lr.enable is True
    assert seen[0].auto_scale_lr.base_batch_size == 16


@pytest.mark.slow
@pytest.mark.parametrize(
    'script, words, wanted',
    [
        ('dist_train.sh', ['c.py', '2', '--amp'], 'train.py c.py --launcher pytorch --amp'),
        (
            'dist_test.sh',
            ['c.py', 'w.pth', '2', '--out', 'a b.pkl'],
            'test.py c.py w.pth --launcher pytorch --out a b.pkl',
        ),
        (
            'slurm_train.sh',
            ['part', 'job', 'c.py', 'out', '--amp'],
            'train.py c.py --work-dir out --launcher slurm --amp',
        ),
    ],
)
def test_what_the_shell_scripts_start(script, words, wanted, tmp_path):
    (tmp_path / 'srun').symlink_to('/bin/echo')
    env = {**os.environ, 'PYTHON': 'echo', 'GPUS': '2', 'PATH': f'{tmp_path}:{os.environ["PATH"]}'}
    done = subprocess.run(
        [ROOT / 'tools' / script, *words], env=env, capture_output=True, text=True
    )
    assert done.stdout.rstrip().endswith(wanted)
    assert '--nproc_per_node=2' in done.stdout or '--ntasks=2' in done.stdout
    assert subprocess.run([ROOT / 'tools' / script], capture_output=True).returncode == 1
