import io
import pickle

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

import mmdyup  # noqa: F401
from mmdyup.stack import is_installed


def saved(value):
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return file


def test_a_checkpoints_history_loads(tmp_path):
    history = HistoryBuffer([1.0, 2.0, 6.0], [1, 1, 1])
    checkpoint = dict(
        state_dict=dict(w=torch.ones(2)),
        message_hub=dict(
            log_scalars=dict(loss=history), runtime_info=dict(lr=np.float64(0.1), n=np.int64(3))
        ),
    )
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    loaded = CheckpointLoader.load_checkpoint(str(tmp_path / 'epoch_1.pth'), map_location='cpu')
    assert loaded['message_hub']['log_scalars']['loss'].mean() == 3
    assert loaded['message_hub']['log_scalars']['loss'].statistics('max', 3) == 6
    assert loaded['message_hub']['runtime_info'] == dict(lr=0.1, n=3)


class Stranger:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    'stranger',
    [
        Stranger(eval, ('1',)),
        Stranger(getattr, (HistoryBuffer, '__init__')),
        Stranger(getattr, (torch.nn.Module, 'load_state_dict')),
    ],
)
def test_anything_else_stays_forbidden(stranger):
    with pytest.raises((pickle.UnpicklingError, ValueError)):
        torch.load(saved(stranger), weights_only=True)


@pytest.mark.parametrize(
    'framework, config',
    [
        ('mmdet', 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'),
        ('mmseg', 'mmseg::upernet/upernet_r50_4xb4-160k_ade20k-512x512.py'),
    ],
)
def test_bases_of_both_frameworks_are_found(framework, config, tmp_path):
    if not is_installed(framework):
        pytest.skip(f'{framework} is not installed')
    file = tmp_path / 'config.py'
    file.write_text(f'_base_ = {config!r}\n')
    assert 'model' in Config.fromfile(file)
