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


def test_published_rows_of_fade_are_without_its_gate():
    first = {
        'faster_rcnn': ['38.5'],
        'mask_rcnn': ['39.1', '35.1'],
        'panoptic_fpn': ['40.9'],
        'upernet_r50': ['41.83', '27.92'],
    }
    for name, scores in first.items():
        table = load_table(name)
        found = list(table.row(f'{name}_fade_no_gate').scores.values())
        assert found[: len(scores)] == scores
        assert not table.row(f'{name}_fade').scores


def test_megabytes_of_dlus_repository():
    rows = {row.name: row for row in load_table('dlu').rows}
    assert rows['faster_rcnn_bilinear'].scores == {'AP': '37.5'}
    assert agreement(rows['faster_rcnn_carafe'].params, 4 * 74_148, 0)
    assert agreement(rows['faster_rcnn_dlu'].params, 4 * 35_489, 0)


def test_best_is_compared_with_best_where_the_publication_chose():
    assert [table.name for table in TABLES if table.best] == ['segformer_b1']


def test_a_few_entries_of_the_papers():
    rows = {row.name: row for row in ROWS}
    plus = rows['faster_rcnn_dysample_plus']
    assert (plus.params, plus.baseline) == ('+65.5K', 'faster_rcnn_nearest')
    assert list(plus.scores.values()) == ['38.7', '60.0', '42.2', '22.5', '42.4', '50.2']
    assert rows['faster_rcnn_r101_dysample_plus'].baseline == 'faster_rcnn_r101_nearest'
    assert list(rows['mask_rcnn_r101_dysample_plus'].scores.values()) == [
        *('41.0', '61.9', '44.9', '24.3', '45.0', '53.5'),
        *('36.8', '58.7', '39.5', '17.5', '40.0', '53.8'),
    ]
    assert rows['mask_rcnn_deconv'].scores == {'box AP': '37.9', 'mask AP': '34.5'}
    assert rows['panoptic_fpn_dysample_plus'].scores['PQst'] == '30.8'
    assert rows['segformer_b1_sapa'].scores == {'mIoU': '43.20', 'bIoU': '30.96'}
    assert rows['segformer_b1_fade'].scores == {'mIoU': '44.41', 'bIoU': '32.65'}
    assert rows['segformer_b1_fade_no_gate'].scores == {'mIoU': '43.06', 'bIoU': '31.68'}
    assert rows['segformer_b1_fade_lite'].scores == {'mIoU': '43.49', 'bIoU': '31.55'}
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


# FADE's gate, its blend of 4 places a cell, and the reassembly
GATE, BLEND, REASSEMBLY = 256, 2 * 4 * 256, 4 * 25 * 256


def test_fade_with_its_blend():
    """The reason given for +2.65G and +2.7G, and for what is left without the gate."""
    no_gate = 256 * 64 + 4 * 256 * 64 + 5 * 9 * 64 * 25 + REASSEMBLY
    assert agreement(note('segformer_b1_fade', 'flops'), (no_gate + GATE) * PIXELS, 0)
    assert agreement(note('segformer_b1_fade_no_gate', 'flops'), no_gate * PIXELS, 0)
    for printed in ('+2.65G', '+2.7G'):
        assert agreement(printed, (no_gate + GATE + BLEND) * PIXELS, 0)
    assert agreement(note('segformer_b1_fade_no_gate', 'params'), 6 * (47_514 - 257), 0)
    assert agreement('+0.29M', 6 * 47_514, 0)


def test_fade_lite_with_its_blend():
    """The reason given for +0.89G."""
    products = 5 * (256 * 25 + 9 * 25) + GATE + REASSEMBLY
    assert agreement(note('segformer_b1_fade_lite', 'flops'), products * PIXELS, 0)
    assert agreement('+0.89G', (products + BLEND) * PIXELS, 0)


def test_sapas_variants():
    """The reasons given for +1.02G of SAPA-G and for 0 parameters of SAPA-I."""
    embedding, tail = 256 * 32, 4 * 25 * 32 + REASSEMBLY
    sapa_b = 4 * embedding + embedding + tail
    assert agreement('+1.02G', sapa_b * PIXELS, 0)
    sapa_g = sapa_b + embedding + 256
    assert agreement(note('segformer_b1_sapa_g', 'flops'), sapa_g * PIXELS, 0)
    assert agreement('+0.75G', 2 * REASSEMBLY * PIXELS, 0)
    assert agreement(note('segformer_b1_sapa_i', 'params'), 6 * 2 * (256 + 256), 0)


def test_frfu_by_either_count():
    """The reasons given for +0.9G, and for what its panoptic config adds."""
    convolutions = 2 * 256 * 32 + 4 * 2 * 256 * 9
    samples, reassembly = 4 * 4 * 256, 4 * 9 * 256
    products = convolutions + samples + reassembly
    assert agreement(note('segformer_b1_frfu', 'flops'), products * PIXELS, 0)
    assert agreement('+0.9G', (convolutions + 2 * (samples + reassembly)) * PIXELS, 0)
    level = (9 * 2048 * 256 + 256) + (9 * 256 * 256 + 256)
    assert agreement(note('panoptic_fpn_frfu', 'params'), level + 4 * 21_074, 0)


def test_sapa_d_by_either_count():
    """The reasons given for +5.3G, and for what three add in UPerNet."""
    convolutions = 4 * 256 * 128 + 256 * 128 + 256 * 288
    attention = 4 * 9 * (128 + 256)
    samples = 4 * attention
    assert agreement(note('segformer_b1_sapa_d', 'flops'), (convolutions + samples) * PIXELS, 0)
    assert agreement('+0.20G', attention * PIXELS, 0)
    assert agreement('+5.3G', (convolutions + attention + 2 * samples) * PIXELS, 0)

    def sapa_d(channels):
        return 2 * (128 * channels + 128) + 288 * channels + 288

    assert agreement(note('upernet_r50_sapa_d', 'params'), 3 * sapa_d(512), 0)
    assert agreement('+0.42M', 3 * sapa_d(256), 0)


def test_the_counts_of_a2u():
    """The reasons given for +0.1M, +29.2K and +0.12M."""
    spread, windows, norms = 36 * 256, 2 * 256, 2 * 2 * 256
    weights, all_of_it = spread + windows, spread + windows + 36 + 2 + norms
    with_branch = all_of_it + spread + 36
    assert agreement(note('faster_rcnn_a2u', 'params'), 4 * all_of_it, 0)
    assert agreement('+0.1M', 4 * with_branch, 0) and agreement('+0.12M', 6 * with_branch, 0)
    assert agreement(note('panoptic_fpn_a2u', 'params'), 3 * all_of_it, 0)
    assert agreement('+29.2K', 3 * weights, 0)


def test_three_or_four_of_freqfusion():
    """The reason given for +0.3M."""
    level = (9 * 2048 * 256 + 256) + (9 * 256 * 256 + 256)
    four = 4 * (104_690 - 2 * 128)
    assert agreement('+0.3M', 3 * 104_690, 0) and agreement('+0.42M', four, 0)
    for name in ('panoptic_fpn_freqfusion', 'panoptic_fpn_r101_freqfusion'):
        assert agreement(note(name, 'params'), level + four, 0)


def test_three_fades_of_either_width():
    """The reason given for +0.1M in UPerNet's table."""

    def fade(channels):
        return 2 * 64 * channels + 64 + 9 * 64 * 25 + 25

    assert agreement(note('upernet_r50_fade_no_gate', 'params'), 3 * fade(512), 0)
    assert agreement('+0.1M', 3 * fade(256), 0)
