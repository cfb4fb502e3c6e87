import subprocess
import sys

_USE_WITHOUT_FRAMEWORKS = '''
import sys
from importlib.machinery import PathFinder

class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name in ('mmdet', 'mmseg') else super().find_spec(name, path, target)

sys.meta_path = [Hiding if finder is PathFinder else finder for finder in sys.meta_path]

import torch, mmdyup
from mmcv.cnn import build_upsample_layer
layer = build_upsample_layer(dict(type='DySample', in_channels=8))
print(tuple(layer(torch.zeros(1, 8, 2, 2)).shape), 'mmdet' in sys.modules)
'''


def test_without_a_framework_the_upsamplers_work():
    run = subprocess.run([sys.executable, '-c', _USE_WITHOUT_FRAMEWORKS], capture_output=True,
                         text=True)
    assert run.stdout == '(1, 8, 4, 4) False\n', run.stderr
