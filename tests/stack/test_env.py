import sys

import torch

import mmdyup
from mmdyup.stack.env import environment


def test_the_report_tells_versions_and_backends():
    report = environment()
    assert report['mmdyup'] == mmdyup.__version__
    assert report['PyTorch'] == torch.__version__
    assert 'native' in report['backends of carafe']
    assert (report["mmcv's CUDA operators"] == 'yes') == ('mmcv' in report['backends of carafe'])


def test_a_report_comes_out_of_a_stack_with_holes(monkeypatch, tmp_path):
    (tmp_path / 'mmdet').mkdir()
    (tmp_path / 'mmdet/__init__.py').write_text("raise AssertionError('MMCV is too new')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'mmdet', raising=False)
    monkeypatch.setitem(sys.modules, 'mmengine', None)
    monkeypatch.setitem(sys.modules, 'mmseg', None)
    report = environment()
    assert report['mmengine'] == report['mmseg'] == 'not installed'
    assert report['mmdet'] == 'cannot be imported (AssertionError: MMCV is too new)'
    assert report['Python'].startswith('3.')
