"""tools/check.py as a person uses it."""

import json
import runpy
import shutil
from pathlib import Path

import pytest

from shapes import generate_shapes

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

ROOT = Path(__file__).resolve().parents[2]
run_check = runpy.run_path(str(ROOT / 'tools/check.py'))['main']


@pytest.fixture
def check(capsys):
    """(exit status, what was printed) of a check."""

    def run(*words):
        with pytest.raises(SystemExit) as stop:
            run_check([str(word) for word in words])
        return stop.value.code, capsys.readouterr().out

    return run


@pytest.fixture
def root(tmp_path):
    return generate_shapes(tmp_path / 'few', num_train=3, num_val=2, size=64)


def test_all_kinds_of_annotations(root, check):
    status, out = check(root)
    assert status == 0 and out.endswith('0 errors, 0 warnings\n')
    for path in ('train.json', 'panoptic_val.json', 'semantic/train', 'depth/val'):
        assert f'{root}/{path}, ' in out


def test_errors_of_all_splits(root, check):
    for split in ('train', 'val'):
        path = root / f'{split}.json'
        data = json.loads(path.read_text())
        data['annotations'][0]['bbox'] = []
        path.write_text(json.dumps(data))
    config = ROOT / 'configs/faster_rcnn_nearest.py'
    status, out = check(root, config)
    assert status == 1 and out.count('has [] as "bbox"') == 2
    status, out = check(root, config, '--json', '--no-check')
    told = json.loads(out)
    assert status == 1 and told['summary'] and not told['warnings']
    assert [error['path'] for error in told['errors']] == [
        f'{root}/train.json',
        f'{root}/val.json',
    ]
    assert told['errors'][0]['level'] == 'error' and told['errors'][0]['count'] == 1


def test_a_file_that_is_no_json(root, check):
    (root / 'val.json').write_text('{')
    (root / 'panoptic_train.json').write_text('')
    status, out = check(root)
    assert status == 1 and 'val.json: it is not valid JSON' in out
    assert 'panoptic_train.json: it is empty' in out and f'{root}/depth/val, ' in out


def test_pictures_alone_in_test(root, check):
    (root / 'images/test').mkdir()
    (root / 'images/val').joinpath('000004.png').rename(root / 'images/test/1.png')
    shutil.copy(root / 'images/test/1.png', root / 'images/val/000004.png')
    for config in ('faster_rcnn_nearest.py', 'segformer_b1_bilinear.py'):
        status, out = check(root, ROOT / 'configs' / config)
        assert status == 0 and 'test: it holds 1 picture without annotations, so testing' in out


def test_folders_without_data(tmp_path, check):
    assert check(tmp_path / 'none')[0] == f'There is no folder {tmp_path / "none"}.'
    assert 'holds no annotations' in check(tmp_path)[0]


@pytest.mark.slow
def test_many_pictures_are_seen_by_several_processes(tmp_path, check):
    """The folder that times the check, smaller."""
    draw = runpy.run_path(str(ROOT / 'tests/tools/recipes/draw_coco.py'))['draw']
    draw(tmp_path / 'large', 1200, 5000)
    config = ROOT / 'configs/mask_rcnn_nearest.py'
    status, out = check(tmp_path / 'large', config)
    assert status == 0 and '1200 pictures' in out and '5000 objects' in out
    assert (
        len(json.loads((tmp_path / 'large/.train.seen.json').read_text())['look_at_picture'])
        == 1200
    )
    assert check(tmp_path / 'large', config) == (0, out)
