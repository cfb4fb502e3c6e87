"""tools/train.py and tools/test.py with a config of segmentation or depth."""

import pickle
import runpy
from pathlib import Path

import cv2
import pytest

from recipes.cli import load_config, make_parser

pytest.importorskip('mmseg')
from mmseg.visualization import SegLocalVisualizer  # noqa: E402

pytestmark = pytest.mark.usefixtures('elsewhere')

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / 'configs/segformer_b1_dysample.py')
WORKERS = [
    f'{split}_dataloader.{setting}'
    for split in ('train', 'val', 'test')
    for setting in ('num_workers=0', 'persistent_workers=False')
]


def run(name, *argv):
    main = runpy.run_path(str(ROOT / f'tools/{name}.py'))['main']
    main([str(word) for word in argv])


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr('recipes.tiny_segmentation.CROP', 64)
    monkeypatch.setattr('recipes.tiny_segmentation.BATCH_SIZE', 2)


@pytest.mark.slow
def test_train_and_test(shapes, tmp_path, capsys, small):
    """Two steps, then a test of what they left, with pictures and predictions."""
    run(
        'train',
        CONFIG,
        '--data',
        shapes,
        '--from-scratch',
        '--tiny',
        '--work-dir',
        'out',
        '--cfg-options',
        *WORKERS,
        'train_cfg.max_iters=2',
    )
    out = capsys.readouterr().out
    for name in ('iter_2.pth', 'segformer_b1_dysample.py', 'segmentation.png'):
        assert f'out/{name}' in out and (tmp_path / 'out' / name).is_file()
    trained = next(line for line in out.splitlines() if line.startswith('Trained'))
    assert 'mIoU' in trained and 'mBIoU' in trained
    sheet = cv2.imread('out/segmentation.png')
    # two pictures beside each other, each with its truth and its prediction
    assert sheet.shape[1] > 3.9 * (sheet.shape[0] - 8) and sheet.std() > 10

    # in a process of its own the test would have a visualizer of its own
    SegLocalVisualizer._instance_dict.clear()
    # with the config that training saved, no other flag is needed
    run(
        'test',
        'out/segformer_b1_dysample.py',
        'out/iter_2.pth',
        '--work-dir',
        'tested',
        '--show-dir',
        'pictures',
        '--out',
        'found.pkl',
    )
    pictures = sorted(path.name for path in (tmp_path / 'pictures').iterdir())
    assert len(pictures) == 2 and all(name.endswith('.png') for name in pictures)
    assert cv2.imread(f'pictures/{pictures[0]}').shape == (128, 256, 3)
    found = pickle.loads(Path('found.pkl').read_bytes())
    assert [entry['pred_sem_seg']['data'].shape for entry in found] == [(1, 128, 128)] * 2


@pytest.mark.slow
def test_train_and_test_depth(shapes, tmp_path, capsys, small):
    config = str(ROOT / 'configs/depthformer_swin_t_dysample.py')
    flags = ['--from-scratch', '--tiny', '--work-dir', 'out', '--cfg-options', *WORKERS]
    run('train', config, '--data', shapes, *flags, 'train_cfg.max_iters=2')
    out = capsys.readouterr().out
    assert 'out/depth.png (picture and ground truth left, depth right)' in out
    trained = next(line for line in out.splitlines() if line.startswith('Trained'))
    assert 'abs_rel' in trained and 'd1' in trained and 'nan' not in trained
    sheet = cv2.imread('out/depth.png')
    # two pictures beside each other, each with its truth and its prediction
    assert sheet.shape[1] > 5.8 * (sheet.shape[0] - 8) and sheet.std() > 10

    SegLocalVisualizer._instance_dict.clear()
    saved = 'out/depthformer_swin_t_dysample.py'
    run('test', saved, 'out/iter_2.pth', '--work-dir', 'tested', '--show-dir', 'pictures')
    pictures = sorted((tmp_path / 'pictures').iterdir())
    # mmseg's visualizer puts a depth map below its picture
    assert len(pictures) == 2 and cv2.imread(str(pictures[0])).shape == (256, 256, 3)


def test_shapes_takes_the_semantic_half(shapes, monkeypatch):
    monkeypatch.setattr('recipes.cli.generate_shapes', lambda root: shapes)
    cfg = load_config(make_parser('').parse_args([CONFIG, '--shapes']))
    assert cfg.model.decode_head.num_classes == len((shapes / 'classes.txt').read_text().split())
    assert cfg.model.decode_head.upsample_cfg.type == 'DySample'
    assert cfg.model.backbone.init_cfg is None and cfg.model.backbone.embed_dims == 16
    assert cfg.work_dir == 'work_dirs/segformer_b1_dysample_shapes'


@pytest.mark.parametrize(
    'flags, words',
    [
        (['--from-scratch'], 'images/training is missing'),
        (['--data', 'nowhere'], 'there is no folder'),
        (['--data', '.'], 'images/train is missing or holds no pictures'),
    ],
)
def test_what_is_missing_is_one_sentence(flags, words):
    with pytest.raises(SystemExit) as stop:
        run('train', CONFIG, *flags)
    assert words in stop.value.code and '\n' not in stop.value.code
