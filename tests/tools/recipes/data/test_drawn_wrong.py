"""Files in which one value is drawn wrong: whatever it is, the check tells or passes, and ends."""

import copy
import json
import random
import shutil

import pytest
from mmengine.config import Config

from recipes.data.check import check_splits

pytest.importorskip('mmdet')

WRONG = (
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    1e300,
    float('nan'),
    float('inf'),
    '',
    'a',
    '1',
    [],
    [[]],
    [1, 2],
    ['a'],
    {},
    dict(size=[2, 2], counts=[4]),
)
DRAWS = 300


def places(node, path=()):
    """Every path to a value in nested lists and dicts; of a list, to its first three."""
    yield path
    items = node.items() if isinstance(node, dict) else ()
    items = enumerate(node[:3]) if isinstance(node, list) else items
    for key, child in items:
        yield from places(child, (*path, key))


def spoil(data, rng):
    """A copy with one value replaced or removed, and what was done."""
    data = copy.deepcopy(data)
    *way, last = rng.choice([path for path in places(data) if path])
    node = data
    for key in way:
        node = node[key]
    value = rng.choice((*WRONG, 'removed'))
    if value == 'removed':
        del node[last]
    else:
        node[last] = value
    return data, (way, last, value)


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['CocoDataset', 'CocoPanopticDataset'])
def test_one_value_is_wrong(shapes, tmp_path, kind):
    root = tmp_path / 'data'
    shutil.copytree(shapes, root)
    panoptic = 'Panoptic' in kind
    name = 'panoptic_train.json' if panoptic else 'train.json'
    data = json.loads((root / name).read_text())
    names = [category['name'] for category in data['categories']]
    load = dict(type='LoadAnnotations', with_mask=True)
    dataset = dict(
        type=kind,
        data_root=str(root),
        ann_file=name,
        data_prefix=dict(img='images/train/', seg='panoptic/train/'),
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        metainfo=dict(classes=names, thing_classes=names[:4]),
        pipeline=[] if panoptic else [load],
    )
    cfg = Config(dict(default_scope='mmdet', train_dataloader=dict(dataset=dataset)))
    assert not check_splits(cfg, ('train',)).findings
    rng = random.Random(0)
    told = 0
    for _ in range(DRAWS):
        spoiled, what = spoil(data, rng)
        (root / name).write_text(json.dumps(spoiled))
        try:
            report = check_splits(cfg, ('train',))
        except Exception as error:
            raise AssertionError(f'{what} ends the check') from error
        for found in report.findings:
            assert found.message.endswith('.') and '\n' not in str(found), what
        told += bool(report.findings)
    # most of what is read matters
    assert told > DRAWS / 3
