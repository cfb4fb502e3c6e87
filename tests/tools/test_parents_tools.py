"""The parents' own tools with configs of ours, whose custom_imports is all that they are given."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')
from recipes.cli import load_config, make_parser  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures('elsewhere')]

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = {
    f'{split}_dataloader.{key}': value
    for split in ('train', 'val', 'test')
    for key, value in dict(num_workers=0, persistent_workers=False).items()
} | {'train_cfg.max_iters': 1}


def small(name, data, to):
    """A config of ours as train.py would shrink it, as a file that needs no flags."""
    options = [f'{key}={value}' for key, value in OPTIONS.items()]
    argv = [str(ROOT / f'configs/{name}.py'), '--data', str(data), '--from-scratch', '--tiny']
    cfg = load_config(make_parser('').parse_args([*argv, '--cfg-options', *options]))
    assert cfg.custom_imports.imports == ['mmdyup']
    cfg.dump(to / f'{name}.py')
    return f'{name}.py'


def picture(data):
    return str(sorted((data / 'images').rglob('*.png'))[0])


def jobs(data, to):
    detector, panoptic, segmenter = (
        small(name, data, to)
        for name in ('faster_rcnn_dysample', 'panoptic_fpn_dysample', 'segformer_b1_dysample')
    )

    def job(package, name, *words):
        return dict(package=package, name=name, words=words)

    def code(name, text):
        return dict(name=name, words=[], code=text)

    found = []
    for package, config in (('mmdet', detector), ('mmdet', panoptic), ('mmseg', segmenter)):
        stem = Path(config).stem
        weights = f'{stem}/iter_1.pth'
        out = f'{stem}_out' + ('' if package == 'mmseg' else '.pkl')
        found += [
            job(package, 'train.py', config, '--work-dir', stem),
            job(package, 'test.py', config, weights, '--out', out, '--show-dir', f'{stem}_shown'),
        ]
        # Neither of mmseg's runs on this stack, whatever the config: README.md says why.
        if package == 'mmdet':
            browsed = ['--not-show', '--output-dir', f'{stem}_browsed']
            found += [
                job(package, 'analysis_tools/get_flops.py', config),
                job(package, 'analysis_tools/browse_dataset.py', config, *browsed),
            ]
    image = picture(data)
    weights = 'faster_rcnn_dysample/iter_1.pth'
    inferencer = (
        'from mmdet.apis import DetInferencer\n'
        'infer = DetInferencer({model}, weights={weights!r}, device="cpu")\n'
        f'infer({image!r}, out_dir="{{out}}")'
    )
    found += [
        code(
            'inferencer', inferencer.format(model=repr(detector), weights=weights, out='inferred')
        ),
        code(
            'inferencer, panoptic',
            inferencer.format(
                model=repr(panoptic), weights='panoptic_fpn_dysample/iter_1.pth', out='inferred_p'
            ),
        ),
        code(
            'inferencer, mmseg',
            'from mmseg.apis import MMSegInferencer\n'
            f'MMSegInferencer({segmenter!r}, "segformer_b1_dysample/iter_1.pth", device="cpu")'
            f'({image!r}, out_dir="inferred_s")',
        ),
        # without a config there is no custom_imports
        code(
            'inferencer of a checkpoint alone',
            'import mmdyup\n' + inferencer.format(model=None, weights=weights, out='inferred_c'),
        ),
        dict(
            name='publish_model.py',
            words=[weights, 'published.pth'],
            code='import runpy, mmdyup, mmdet\n'
            'root = mmdet.__path__[0] + "/.mim/tools/model_converters/"\n'
            'runpy.run_path(root + "publish_model.py", run_name="__main__")',
        ),
    ]
    return found


def test_custom_imports_is_all_they_need(shapes, tmp_path):
    listed = jobs(shapes, tmp_path)
    (tmp_path / 'jobs.json').write_text(json.dumps(listed))
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name('parents_tools.py'), 'jobs.json'],
        env=dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1'),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / 'results.json').read_text())
    failed = {
        f'{number} {job["name"]} {job["words"]}': result['log'][-3000:]
        for number, (job, result) in enumerate(zip(listed, results, strict=True))
        if result['status']
    }
    assert not failed, '\n\n'.join(f'{name}\n{log}' for name, log in failed.items())
    for name in ('faster_rcnn_dysample_out.pkl', 'panoptic_fpn_dysample_out.pkl'):
        assert (tmp_path / name).stat().st_size
    assert len(list((tmp_path / 'segformer_b1_dysample_out').iterdir())) == 2
    for folder in ('inferred', 'inferred_p', 'inferred_s', 'inferred_c'):
        assert list((tmp_path / folder).rglob('*.png')), folder
    assert list(tmp_path.glob('published-*.pth'))
