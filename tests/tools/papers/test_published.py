import re

import pytest

from papers.published import NAMES, load_table
from papers.verdict import agreement, is_relative

TABLES = [load_table(name) for name in NAMES]
ROWS = [row for table in TABLES for row in table.rows]


@pytest.mark.parametrize('table', TABLES, ids=NAMES)
def test_what_a_row_refers_to_is_there(table):
    names = [row.name for row in table.rows]
    assert len(set(names)) == len(names)
    for row in table.rows:
        assert row.baseline is None or row.baseline in names
        assert set(row.scores) <= set(table.metrics)
        assert set(row.notes) <= {'params', 'flops'}
        assert row.operator or table.framework in ('mmdet', 'mmseg')
        for entry in (row.params, row.flops, *row.scores.values()):
            assert not (entry and is_relative(entry) and row.baseline is None)


def test_entries_can_be_read():
    for row in ROWS:
        for entry in (row.params, row.flops, *(note.comes_out for note in row.notes.values())):
            if entry:
                agreement(entry, 2, 1)
        assert all(re.fullmatch(r'\+?\d+\.\d+', score) for score in row.scores.values())


def test_a_few_entries_of_the_papers():
    rows = {row.name: row for row in ROWS}
    plus = rows['faster_rcnn_dysample_plus']
    assert (plus.params, plus.baseline) == ('+65.5K', 'faster_rcnn_nearest')
    assert list(plus.scores.values()) == ['38.7', '60.0', '42.2', '22.5', '42.4', '50.2']
    assert rows['faster_rcnn_r101_dysample_plus'].baseline == 'faster_rcnn_r101_nearest'
    assert rows['mask_rcnn_dysample_plus'].scores == {'box AP': '39.6', 'mask AP': '35.7'}
    assert rows['panoptic_fpn_dysample_plus'].scores['PQst'] == '30.8'
    assert rows['segformer_b1_sapa'].scores == {'mIoU': '43.20', 'bIoU': '30.96'}
    assert rows['upernet_r50_bilinear'].params == '66.5M'
    assert not rows['upernet_r50_deconv'].config


# low-resolution pixels of SegFormer's six upsamplers at 512×512
PIXELS = 16**2 + 2 * 32**2 + 3 * 64**2


def note(name, kind):
    return next(row for row in ROWS if row.name == name).notes[kind].comes_out


def test_a_deconvolution_that_met_its_whole_kernel():
    """The reason given for +34.4G."""
    products = 9 * 256 * 256 * PIXELS
    assert agreement(note('segformer_b1_deconv', 'flops'), products, 0)
    assert agreement('+34.4G', 4 * products, 0)


def test_fade_with_its_blend():
    """The reason given for +2.7G."""
    convolutions = 256 * 64 + 4 * 256 * 64 + 5 * 9 * 64 * 25 + 256
    products = (convolutions + 4 * 25 * 256) * PIXELS
    assert agreement(note('segformer_b1_fade', 'flops'), products, 0)
    assert agreement('+2.7G', products + 2 * 4 * 256 * PIXELS, 0)


def test_three_fades_of_either_width():
    """The reason given for +0.1M in UPerNet's table."""

    def fade(channels):
        return 2 * 64 * channels + 64 + 9 * 64 * 25 + 25 + channels + 1

    assert agreement(note('upernet_r50_fade', 'params'), 3 * fade(512), 0)
    assert agreement('+0.1M', 3 * fade(256), 0)


def test_masks_of_five_layers_that_serve_the_training():
    """The reason given for 195G in MaskFormer's table."""
    all_of_them = float(note('maskformer_swin_b_nearest', 'flops').removesuffix('G')) * 1e9
    masks = 5 * 100 * 256 * 160 * 160
    assert agreement('0.66G', masks / 5) and agreement('194.7G', all_of_them - masks)
    assert agreement('195G', all_of_them - masks)
