"""Kept features, without a training."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import torch
from torch import nn

from comparing.features import keep_features


class Backbone(nn.Module):
    def __init__(self, computed):
        super().__init__()
        self.computed = computed

    def forward(self, picture):
        self.computed.append(float(picture.sum()))
        time.sleep(0.05)  # long enough that others would come to it too
        return picture * 2, picture * 3


def test_who_comes_to_a_picture_at_the_same_time_waits(tmp_path):
    computed, together = [], Barrier(3)
    pictures = torch.stack([torch.full((3, 2, 2), value) for value in (1.0, 2.0)])

    def look_up(_):
        model = nn.Module()
        model.backbone = Backbone(computed)
        keep_features(model, tmp_path)
        together.wait()
        return model.backbone(pictures)

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(look_up, range(3)))
    assert sorted(computed) == [12, 24], 'each picture once'
    for levels in found:
        torch.testing.assert_close(levels, (pictures * 2, pictures * 3))
