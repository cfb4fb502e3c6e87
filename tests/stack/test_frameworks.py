"""What works where a framework is missing, or cannot be imported."""

import importlib
import sys

import pytest

from mmdyup.stack import is_installed, needs
from mmdyup.stack.frameworks import is_distributed_as

IMPORT = """
import json, warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter('always')
    import torch, mmdyup
told = [str(w.message) for w in caught if 'mmdyup' in str(w.message)]
where = [w.filename for w in caught if 'mmdyup' in str(w.message)]

def failure(module):
    try:
        __import__(module)
    except ImportError as error:
        return str(error)

parts = [name for name in ('det', 'seg', 'evaluation') if hasattr(mmdyup, name)]
x, fine = torch.zeros(1, 32, 2, 3), torch.zeros(1, 32, 4, 5)
for cfg in mmdyup.list_upsamplers().values():
    y, fine = mmdyup.build_upsampler(cfg, 32).meet(x, fine)
    assert y.shape == fine.shape
"""
PRINT = '\nprint(json.dumps(result))'

# With PyTorch alone: the upsamplers, and the helpers of pyramids.
ALONE = (
    IMPORT
    + """
steps = mmdyup.pyramid.build_top_down(dict(type='DySample'), 32, 2)
steps.init_weights()
merged = mmdyup.pyramid.merge_top_down([fine, x], steps)
imported = [name for name in ('mmengine', 'mmcv', 'mmdet', 'mmseg') if sys.modules.get(name)]
result = dict(
    told=told, where=where, parts=parts, shape=list(merged[0].shape), imported=imported,
    det=failure('mmdyup.det'), seg=failure('mmdyup.seg'), evaluation=failure('mmdyup.evaluation'),
    mended='mmdyup.stack.panoptic' in map(lambda f: getattr(f, '__module__', ''), sys.meta_path),
)
"""
    + PRINT
)
EVERYTHING = ('mmengine', 'mmcv', 'mmdet', 'mmseg')


def is_a_sentence(text):
    return text.endswith('.') and '\n' not in text


@pytest.mark.slow
def test_with_pytorch_alone(run_python):
    result = run_python(ALONE, missing=EVERYTHING)
    assert result['told'] == result['parts'] == result['imported'] == []
    assert not result['mended']
    assert result['shape'] == [1, 32, 4, 5]
    for part, framework, commands in [
        ('det', 'mmdet', '`pip install mmdet` or `pip install onedl-mmdetection`'),
        ('seg', 'mmseg', '`pip install mmsegmentation` or `pip install onedl-mmsegmentation`'),
        ('evaluation', 'mmseg', '`pip install mmsegmentation`'),
    ]:
        assert f'need {framework}, which cannot be imported here' in result[part]
        assert commands in result[part] and is_a_sentence(result[part])


@pytest.mark.slow
def test_with_mmengine_alone(run_python):
    code = IMPORT + (
        'from mmengine.registry import MODELS\n'
        "layer = MODELS.build(dict(type='DySample', in_channels=8))\n"
        'result = dict(told=told, parts=parts, shape=list(layer(torch.zeros(1, 8, 2, 2)).shape))\n'
    )
    result = run_python(code + PRINT, missing=EVERYTHING[1:])
    assert result == dict(told=[], parts=[], shape=[1, 8, 4, 4])


@pytest.mark.slow
def test_an_mmengine_that_cannot_be_imported(run_python):
    broken = dict(mmengine="raise OSError('libsomething.so: cannot open')")
    result = run_python(ALONE, broken=broken)
    (told,) = result['told']
    assert 'need mmengine, which cannot be imported here (OSError: libsomething.so' in told
    assert 'make `import mmengine` work, or uninstall mmengine' in told
    assert result['where'] == ['<string>']
    assert result['parts'] == [] and not result['mended']
    assert result['shape'] == [1, 32, 4, 5]


@pytest.mark.slow
def test_frameworks_without_mmengine(run_python):
    if not is_installed('mmdet'):
        pytest.skip('needs mmdet')
    (told,) = run_python(ALONE, missing=['mmengine'])['told']
    assert 'run `pip install mmengine` or `pip install onedl-mmengine`.' in told


NECK = """
from mmdet.registry import MODELS
neck = MODELS.build(dict(type='DyFPN', in_channels=[8, 8], out_channels=8, num_outs=2,
                         upsample_cfg=dict(type='DySample')))
shape = list(neck([torch.zeros(1, 8, n, n) for n in (4, 2)])[0].shape)
"""
HEAD = """
from mmseg.registry import MODELS
head = MODELS.build(dict(type='DySegformerHead', in_channels=[8, 16], in_index=[0, 1], channels=16,
                         num_classes=3, upsample_cfg=dict(type='DySample')))
shape = list(head([torch.zeros(2, 8, 4, 4), torch.zeros(2, 16, 2, 2)]).shape)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ('needed', 'missing', 'code', 'parts', 'shape'),
    [
        ('mmdet', 'mmseg', NECK, ['det'], [1, 8, 4, 4]),
        ('mmseg', 'mmdet', HEAD, ['seg', 'evaluation'], [2, 3, 4, 4]),
    ],
)
def test_one_framework_without_the_other(run_python, needed, missing, code, parts, shape):
    if not is_installed(needed):
        pytest.skip(f'needs {needed}')
    result = 'result = dict(told=told, parts=parts, shape=shape)'
    found = run_python(IMPORT + code + result + PRINT, [missing])
    assert found == dict(told=[], parts=parts, shape=shape)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('needed', 'missing', 'part', 'whose'),
    [('mmdet', 'mmseg', 'det', 'MMDetection'), ('mmseg', 'mmdet', 'seg', 'MMSegmentation')],
)
def test_an_mmcv_without_operators(run_python, needed, missing, part, whose):
    """As mmcv-lite."""
    if not is_installed(needed):
        pytest.skip(f'needs {needed}')
    code = IMPORT + f"result = dict(told=told, parts=parts, asked=failure('mmdyup.{part}'))"
    result = run_python(code + PRINT, missing=['mmcv._ext', missing])
    if needed == 'mmseg' and is_distributed_as('onedl-mmsegmentation'):
        # imports no operator, so that nothing is left out
        assert result == dict(told=[], parts=['seg', 'evaluation'], asked=None)
        return
    (told,) = result['told']
    assert f'heads for {whose} need {needed}, which cannot be imported here' in told
    assert 'mmcv._ext' in told
    assert 'has no operators, as mmcv-lite has none; uninstall it and run `pip install' in told
    assert '`pip install --no-build-isolation onedl-mmcv`' in told
    assert result['asked'] and told.startswith(result['asked'])
    assert result['parts'] == []


@pytest.mark.slow
def test_an_mmdet_that_cannot_be_imported(run_python):
    broken = dict(mmdet="raise AssertionError('MMCV==2.2.0 is used but incompatible.')")
    code = IMPORT + 'result = dict(told=told, where=where, parts=parts)'
    result = run_python(code + PRINT, ['mmseg'], broken)
    (told,) = result['told']
    assert '(AssertionError: MMCV==2.2.0 is used but incompatible.)' in told
    assert result['parts'] == [] and result['where'] == ['<string>']


@pytest.mark.parametrize(
    ('error', 'remedy'),
    [
        (
            ModuleNotFoundError('', name='mmcv._ext'),
            'has no operators, as mmcv-lite has none; unin',
        ),
        (
            ModuleNotFoundError('', name='mmseg.other'),
            'make `import mmseg` work, or uninstall mmse',
        ),
        (ModuleNotFoundError('', name='ftfy'), 'install what brings the module ftfy'),
        (ImportError('libcudart.so.12'), 'libcudart.so.12.: make `import mmseg` work, or uninst'),
        (RuntimeError('built for\n  another'), 'RuntimeError: built for another'),
    ],
    ids=str,
)
def test_what_is_told(error, remedy):
    with pytest.raises(ImportError, match=remedy) as told, needs('mmseg', 'Heads'):
        raise error
    assert str(told.value).startswith('Heads need mmseg, which cannot be imported here (')
    assert is_a_sentence(str(told.value)) and told.value.__cause__ is error


def test_what_is_told_of_a_package_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmcv', None)
    commands = (
        'run `pip install --no-build-isolation "mmcv<2.2"` or '
        '`pip install --no-build-isolation onedl-mmcv`.$'
    )
    with pytest.raises(ImportError, match=commands), needs('mmseg', 'Heads'):
        raise ModuleNotFoundError('', name='mmcv.cnn')


def test_is_installed(monkeypatch, tmp_path):
    (tmp_path / 'is_on_the_path.py').write_text('raise RuntimeError')
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    assert is_installed('is_on_the_path') and not is_installed('is_not_on_the_path')
    monkeypatch.setitem(sys.modules, 'is_on_the_path', None)
    assert not is_installed('is_on_the_path')


def test_what_import_gives_is_stated():
    import mmdyup

    assert all(hasattr(mmdyup, name) for name in mmdyup.__all__)
    assert set(mmdyup.__all__) == {
        'A2U', 'CARAFE', 'DLU', 'DySample', 'FADE', 'FRFU', 'FreqFusion', 'IndexNet', 'LDAAQU',
        'SAPA', 'SAPAD', 'SAPAG', 'SAPAI', 'Upsampler', '__version__', 'blocks', 'build_upsampler',
        'list_upsamplers', 'ops', 'pyramid', 'swap_upsamples',
    }  # fmt: skip
