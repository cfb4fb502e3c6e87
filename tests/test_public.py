"""Names that users' configs, checkpoints and programs hold: none of them may change."""

import importlib

import pytest

import mmdyup


@pytest.mark.parametrize(
    'path',
    [
        'mmdyup.upsamplers.base.Upsampler',
        'mmdyup.upsamplers.carafe.CARAFE',
        'mmdyup.upsamplers.dlu.DLU',
        'mmdyup.upsamplers.dysample.DySample',
        'mmdyup.upsamplers.fade.FADE',
        'mmdyup.upsamplers.sapa.SAPA',
        'mmdyup.upsamplers.sapa_d.SAPAD',
        'mmdyup.upsamplers.sapa_g.SAPAG',
        'mmdyup.upsamplers.sapa_i.SAPAI',
        'mmdyup.upsamplers.frfu.FRFU',
        'mmdyup.upsamplers.lda_aqu.LDAAQU',
        'mmdyup.upsamplers.freqfusion.FreqFusion',
        'mmdyup.upsamplers.indexnet.IndexNet',
        'mmdyup.upsamplers.a2u.A2U',
    ],
)
def test_class_paths(path):
    module, name = path.rsplit('.', 1)
    cls = getattr(importlib.import_module(module), name)
    assert f'{cls.__module__}.{cls.__qualname__}' == path
    assert getattr(mmdyup, name) is cls


@pytest.mark.parametrize(
    'path',
    [
        'mmdyup.blocks.ema.EMA',
        'mmdyup.blocks.hybrid_down.HybridDown',
        'mmdyup.blocks.msca.MSCA',
        'mmdyup.blocks.spd.SPDConv',
        'mmdyup.blocks.spd.SPDConvLite',
    ],
)
def test_paths_of_blocks(path):
    name = path.rsplit('.', 1)[1]
    cls = getattr(mmdyup.blocks, name)
    assert f'{cls.__module__}.{cls.__qualname__}' == path and name in mmdyup.blocks.__all__


def test_published_upsamplers():
    expected = {
        'dysample': dict(type='DySample'),
        'dysample_plus': dict(type='DySample', dyscope=True),
        'dysample_s': dict(type='DySample', style='pl', groups=8),
        'dysample_s_plus': dict(type='DySample', style='pl', groups=8, dyscope=True),
        'dlu': dict(type='DLU'),
        'carafe': dict(type='CARAFE'),
        'fade': dict(type='FADE'),
        'fade_no_gate': dict(type='FADE', gate=False),
        'fade_lite': dict(type='FADE', lite=True),
        'sapa': dict(type='SAPA'),
        'sapa_d': dict(type='SAPAD'),
        'sapa_g': dict(type='SAPAG'),
        'sapa_i': dict(type='SAPAI'),
        'frfu': dict(type='FRFU'),
        'lda_aqu': dict(type='LDAAQU'),
        'freqfusion': dict(type='FreqFusion'),
        'indexnet': dict(type='IndexNet'),
        'a2u': dict(type='A2U'),
    }
    listed = mmdyup.list_upsamplers()
    assert listed == expected and list(listed) == list(expected)


def test_what_an_upsampler_of_ones_own_needs():
    assert callable(mmdyup.upsamplers.register) and callable(mmdyup.upsamplers.check_input)


def test_a_list_is_the_callers_own():
    mmdyup.list_upsamplers()['dysample_plus']['dyscope'] = False
    assert mmdyup.list_upsamplers()['dysample_plus'] == dict(type='DySample', dyscope=True)


def test_names_for_ultralytics():
    from mmdyup import ultralytics

    assert ultralytics.__all__ == ['disable', 'enable', 'register', 'upsampled']
    assert all(callable(getattr(ultralytics, name)) for name in ultralytics.__all__)
