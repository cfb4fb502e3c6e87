import torch

import mmdyup
from mmdyup.utils.env import environment


def test_the_report_tells_versions_and_backends():
    report = environment()
    assert report['mmdyup'] == mmdyup.__version__
    assert report['PyTorch'] == torch.__version__
    assert 'native' in report['backends of carafe']
    assert (report["mmcv's CUDA operators"] == 'yes') == ('mmcv' in report['backends of carafe'])
