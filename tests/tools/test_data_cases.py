"""Trainings on data that is odd but not wrong, as a person runs them."""

import json
import os
import runpy
import shutil
from pathlib import Path

import pytest

pytest.importorskip('mmdet')
pytestmark = [pytest.mark.usefixtures('elsewhere'), pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
WORKERS = [
    f'{split}_dataloader.{setting}'
    for split in ('train', 'val', 'test')
    for setting in ('num_workers=0', 'persistent_workers=False')
]


def run(name, *argv):
    runpy.run_path(str(ROOT / f'tools/{name}.py'))['main']([str(word) for word in argv])


def test_odd_detection_data(shapes, tmp_path, capsys):
    """Ids from 0, names that are numbers or Chinese, a test set without annotations."""
    root = tmp_path / 'odd'
    root.mkdir()
    os.symlink(shapes / 'images', root / 'images')
    for split in ('train', 'val', 'test'):
        data = json.loads((shapes / f'{"val" if split == "test" else split}.json').read_text())
        for i, entry in enumerate(data['annotations']):
            entry['id'] = i
        for category, name in zip(data['categories'], (1, 2.5, '苹果', 'é'), strict=True):
            category['name'] = name
        for entry in data['images']:
            folder = 'val' if split == 'test' else split
            entry['file_name'] = f'{folder}/{entry["file_name"]}'
        if split == 'test':
            del data['annotations']
        (root / f'{split}.json').write_text(json.dumps(data))
    config = ROOT / 'configs/faster_rcnn_nearest.py'
    flags = ['--data', root, '--from-scratch', '--tiny', '--work-dir', 'out']
    run('train', config, *flags, '--cfg-options', *WORKERS, 'train_cfg.max_iters=2')
    out = capsys.readouterr().out
    assert 'has the id 0' in out and '2 class names are numbers' in out
    assert 'Trained: ' in out and 'out/detections.png' in out
    kept = Path('out/data.txt').read_text()
    assert kept in out and 'train: ' in kept and 'to learn from: ' in kept

    run('test', 'out/faster_rcnn_nearest.py', 'out/iter_2.pth', '--show-dir', 'shown')
    out = capsys.readouterr().out
    assert 'there is nothing to score' in out
    count = len(json.loads((root / 'test.json').read_text())['images'])
    assert len(list((tmp_path / 'shown').iterdir())) == count
    predictions = list(Path('out').glob('predictions*.json'))
    assert predictions and isinstance(json.loads(predictions[0].read_text()), list)
    assert str(predictions[0]) in out


def test_a_panoptic_model_that_finds_nothing_yet(shapes, tmp_path, capsys):
    """Two steps, then a test set without annotations."""
    root = tmp_path / 'data'
    shutil.copytree(shapes, root)
    (root / 'images/test').symlink_to('val')
    data = json.loads((root / 'panoptic_val.json').read_text())
    del data['annotations']
    (root / 'panoptic_test.json').write_text(json.dumps(data))
    config = ROOT / 'configs/panoptic_fpn_nearest.py'
    flags = ['--data', root, '--from-scratch', '--tiny', '--work-dir', 'out']
    run('train', config, *flags, '--cfg-options', *WORKERS, 'train_cfg.max_iters=2')
    out = capsys.readouterr().out
    assert 'Trained: ' in out and 'out/detections.png' in out and 'not drawn' not in out
    saved = 'out/panoptic_fpn_nearest.py'
    run('test', saved, 'out/iter_2.pth', '--work-dir', 'tested', '--show-dir', 'shown')
    assert len(list((tmp_path / 'shown').iterdir())) == 2
    assert 'tested/predictions.panoptic.json' in capsys.readouterr().out
