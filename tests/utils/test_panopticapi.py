"""What stands in for COCO's panopticapi where that is not installed."""

import importlib
import pickle
import sys

import numpy as np
import pytest

import mmdyup  # noqa: F401
from mmdyup.utils.compat import STAND_INS

CATEGORIES = {3: dict(isthing=1), 5: dict(isthing=1), 8: dict(isthing=0), 9: dict(isthing=0)}


@pytest.fixture
def stand_in(monkeypatch):
    """Imports a module of the stand-in, even where the original is installed."""
    for name in [name for name in sys.modules if name.split('.')[0] == 'panopticapi']:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(STAND_INS))
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


def test_the_original_comes_first(tmp_path, monkeypatch):
    (tmp_path / 'panopticapi').mkdir()
    (tmp_path / 'panopticapi/__init__.py').touch()
    monkeypatch.setattr(sys, 'path', [*sys.path, str(tmp_path)])
    monkeypatch.setattr(sys, 'path', [p for p in sys.path if p != str(STAND_INS)])
    from mmdyup.utils import mend_stack

    mend_stack()
    assert str(STAND_INS) not in sys.path
