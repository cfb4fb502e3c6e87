"""What stands in for COCO's panopticapi where that is not installed."""

import importlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mmdyup
from mmdyup.stack import is_installed
from mmdyup.stack.panoptic import StandIn

CATEGORIES = {3: dict(isthing=1), 5: dict(isthing=1), 8: dict(isthing=0), 9: dict(isthing=0)}


@pytest.fixture
def stand_in(monkeypatch):
    """Imports a module of the stand-in, even where the original is installed."""
    for name in [name for name in sys.modules if name.split('.')[0] == 'panopticapi']:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, 'meta_path', [StandIn, *sys.meta_path])
    yield lambda name: importlib.import_module(f'panopticapi.{name}')
    for name in [name for name in sys.modules if name.split('.')[0] == 'panopticapi']:
        del sys.modules[name]


def test_colours_and_ids(stand_in):
    utils = stand_in('utils')
    ids = utils.rgb2id(np.array([[[1, 2, 3], [255, 255, 255]], [[0, 1, 0], [200, 0, 0]]], np.uint8))
    assert ids.tolist() == [[1 + 2 * 256 + 3 * 65536, 256**3 - 1], [256, 200]]
    many = np.random.default_rng(0).integers(0, 256**3, (7, 9))
    colours = utils.id2rgb(many)
    assert colours.dtype == np.uint8
    assert colours.shape == (7, 9, 3)
    assert (utils.rgb2id(colours) == many).all()


def test_panoptic_quality_by_hand(stand_in):
    evaluation = stand_in('evaluation')
    first, second = evaluation.PQStat(), evaluation.PQStat()
    first[3].tp, first[3].iou, first[3].fp = 1, 0.9, 1
    second[3].tp, second[3].iou, second[3].fn = 2, 1.3, 2
    second[8].fn += 1
    total = evaluation.PQStat()
    for part in (first, pickle.loads(pickle.dumps(second))):
        total += part
    means, each = total.pq_average(CATEGORIES, isthing=None)
    # PQ = sum of IoU / (TP + FP / 2 + FN / 2), over the two categories that occur
    assert each[3]['pq'] == pytest.approx(2.2 / (3 + 0.5 + 1))
    assert each[3]['sq'] == pytest.approx(2.2 / 3)
    assert each[3]['rq'] == pytest.approx(3 / 4.5)
    assert means['n'] == 2
    assert means['pq'] == pytest.approx(each[3]['pq'] / 2)
    assert total.pq_average(CATEGORIES, isthing=True)[0]['pq'] == pytest.approx(each[3]['pq'])
    stuff, of_stuff = total.pq_average(CATEGORIES, isthing=False)
    assert (stuff['pq'], stuff['n'], set(of_stuff)) == (0, 1, {8, 9})


def test_nothing_to_count(stand_in):
    means, _ = stand_in('evaluation').PQStat().pq_average(CATEGORIES, isthing=None)
    assert means == dict(pq=0, sq=0, rq=0, n=0)


def test_it_holds_nothing_else(stand_in):
    with pytest.raises(ModuleNotFoundError, match='panopticapi.combine'):
        stand_in('combine')
    assert StandIn.find_spec('panopticapi_of_others') is None


ORIGINAL = {'panopticapi': '', 'panopticapi/evaluation': 'OFFSET, VOID, PQStat = 1, 2, 3'}
ORIGINAL['panopticapi/utils'] = 'rgb2id, id2rgb = 4, 5'

USED = """
import json, pickle
from mmdet.apis import det_inferencer as inferencer
from mmdet.datasets.transforms import LoadPanopticAnnotations
from mmdet.evaluation.functional import panoptic_utils as functional
from mmdet.evaluation.metrics import coco_panoptic_metric as metric
"""
# each name in each of mmdet's modules that imports it
FOUND = """
found = dict(
    PQStat={metric.PQStat, functional.PQStat},
    VOID={metric.VOID, functional.VOID, inferencer.VOID},
    OFFSET={functional.OFFSET},
    rgb2id={metric.rgb2id, functional.rgb2id, LoadPanopticAnnotations().rgb2id},
    id2rgb={metric.id2rgb, inferencer.id2rgb},
)
metric.CocoPanopticMetric()
names = {key: [str(getattr(v, '__module__', v)) for v in values] for key, values in found.items()}
print(json.dumps(names))
"""
OURS = dict.fromkeys(('PQStat', 'rgb2id', 'id2rgb'), ['mmdyup.stack.panoptic'])


@pytest.mark.slow
@pytest.mark.parametrize(
    ('code', 'installed'),
    [
        ('import mmdyup' + USED, False),
        (USED + 'import mmdyup', False),
        ('import mmdyup' + USED, True),
    ],
    ids=['mmdyup first', 'mmdet first', 'the original'],
)
def test_mmdet_finds_it_whichever_is_imported_first(code, installed, run_python):
    if not is_installed('mmdet'):
        pytest.skip('needs mmdet')
    found = run_python(code + FOUND, broken=ORIGINAL if installed else {})
    if installed:
        assert found == dict(PQStat=['3'], VOID=['2'], OFFSET=['1'], rgb2id=['4'], id2rgb=['5'])
    else:
        assert found == dict(OURS, VOID=['0'], OFFSET=[str(256**3)])


SPAWNED = """
import multiprocessing
import mmdet.evaluation
from mmdet.evaluation.functional import panoptic_utils

if __name__ == '__main__':
    import mmdyup
    multiprocessing.set_start_method('spawn')
    found = panoptic_utils.pq_compute_multi_core([], '', '', {}, nproc=2)
    print(type(found).__module__, found.pq_average({}, None))
"""


@pytest.mark.slow
def test_workers_that_are_spawned_have_it_too(tmp_path):
    pytest.importorskip('mmdet')
    (tmp_path / 'script.py').write_text(SPAWNED)
    env = dict(os.environ, PYTHONPATH=str(Path(mmdyup.__file__).parents[1]))
    done = subprocess.run(
        [sys.executable, 'script.py'], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    means = dict(pq=0.0, sq=0.0, rq=0.0, n=0)
    assert done.stdout.splitlines()[-1] == f'mmdyup.stack.panoptic {(means, {})}'
