"""The files of the Shapes data set against each other and against the pictures."""

import functools
import hashlib
import json
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO

from shapes import generate, generate_shapes, scene
from shapes.scene import CLASSES, depth, inradius

# pycocotools before numpy 2's way of copying
pytestmark = pytest.mark.filterwarnings('ignore:__array__ implementation:DeprecationWarning')

SCRIPT = Path(__file__).parents[3] / 'tools/make_shapes.py'
SMALL = dict(num_train=3, num_val=2, size=96)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return generate_shapes(tmp_path_factory.mktemp('data') / 'shapes', num_train=14, num_val=4)


def hashes(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob('*')
        if path.is_file()
    }


def pictures(root):
    """(split, image, its instances, their masks) for every picture."""
    for split in ('train', 'val'):
        content = json.loads((root / f'{split}.json').read_text())
        for image in content['images']:
            found = [one for one in content['annotations'] if one['image_id'] == image['id']]
            masks = [rle.decode(one['segmentation']).astype(bool) for one in found]
            yield split, image, found, masks


def read(root, kind, split, image):
    pixels = cv2.imread(str(root / kind / split / image['file_name']), cv2.IMREAD_UNCHANGED)
    assert pixels.dtype == np.uint8
    return pixels


def tight_box(mask):
    rows, columns = np.nonzero(mask)
    left, top = columns.min(), rows.min()
    return [left, top, columns.max() - left + 1, rows.max() - top + 1]


def corners(name, radius, turn):
    """The shape's polygon, (n, 2) float32."""
    if name == 'circle':
        angles, radii = np.arange(2000) * np.pi / 1000, radius
    elif name == 'star':
        angles, radii = np.arange(10) * np.pi / 5, radius * np.array([1, 0.45] * 5)
    else:
        sides = {'triangle': 3, 'square': 4}[name]
        angles, radii = np.arange(sides) * 2 * np.pi / sides, radius
    return np.stack([radii * np.cos(angles + turn), radii * np.sin(angles + turn)], -1).astype('f4')


@pytest.mark.parametrize('name', CLASSES)
def test_depth_is_the_distance_below_the_polygons_edge(name):
    points = np.random.default_rng(0).uniform(-12, 12, (500, 2))
    polygon = corners(name, 10, 0.3)
    expected = np.array([cv2.pointPolygonTest(polygon, point, True) for point in points.tolist()])
    found = depth(name, 10, 0.3, *points.T)
    clear = np.abs(expected) > 1e-3
    assert ((found > 0) == (expected > 0))[clear].all()
    inside = expected > 0
    if name != 'star':
        np.testing.assert_allclose(found[inside], expected[inside], atol=2e-3)
    assert depth(name, 10, 0.3, np.zeros(1), np.zeros(1)) == pytest.approx(inradius(name, 10))


def test_layout(root):
    assert {path.name for path in root.iterdir()} == {
        'train.json',
        'val.json',
        'images',
        'semantic',
        'depth',
        'classes.txt',
        'panoptic_train.json',
        'panoptic_val.json',
        'panoptic',
        'shapes.json',
    }
    for kind in ('images', 'semantic', 'depth', 'panoptic'):
        assert len(list((root / kind / 'train').glob('*.png'))) == 14
        assert len(list((root / kind / 'val').glob('*.png'))) == 4
    names = (root / 'classes.txt').read_text().split()
    assert names == ['ground', 'path', 'circle', 'square', 'triangle', 'star']
    categories = json.loads((root / 'train.json').read_text())['categories']
    assert [(one['id'], one['name']) for one in categories] == list(enumerate(names[2:], 1))


def test_boxes_and_areas_are_those_of_the_masks(root):
    for _, image, found, masks in pictures(root):
        assert 1 <= len(found) <= 12
        for one, mask in zip(found, masks, strict=True):
            assert mask.shape == (image['height'], image['width'])
            assert one['area'] == mask.sum()
            assert one['bbox'] == tight_box(mask)
            assert one['iscrowd'] == 0
            assert isinstance(one['segmentation']['counts'], str)


def test_masks_are_disjoint_and_are_the_semantic_map(root):
    for split, image, found, masks in pictures(root):
        semantic = read(root, 'semantic', split, image)
        assert (np.sum(masks, 0) <= 1).all()
        expected = np.where(np.any(masks, 0), 0, semantic)
        assert expected.max() <= 1
        for one, mask in zip(found, masks, strict=True):
            expected[mask] = one['category_id'] + 1
        np.testing.assert_array_equal(semantic, expected)


def test_depths_are_the_order_of_painting(root):
    """That of the annotations: each shape 25 cm above the one before, the ground at 4 m."""
    for split, image, _, masks in pictures(root):
        path = root / 'depth' / split / image['file_name']
        depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert depth.dtype == np.uint16
        expected = np.full(depth.shape, 4000)
        for number, mask in enumerate(masks, 1):
            expected[mask] = 4000 - 250 * number
        np.testing.assert_array_equal(depth, expected)


def test_masks_are_the_panoptic_map(root):
    for split, image, _, masks in pictures(root):
        content = json.loads((root / f'panoptic_{split}.json').read_text())
        things = {one['id'] for one in content['categories'] if one['isthing']}
        labels = {one['id']: one['name'] for one in content['categories']}
        names = (root / 'classes.txt').read_text().split()
        (annotation,) = (one for one in content['annotations'] if one['image_id'] == image['id'])
        blue, green, red = np.moveaxis(read(root, 'panoptic', split, annotation).astype(int), -1, 0)
        ids = red + 256 * green + 65536 * blue
        segments = annotation['segments_info']
        assert sorted(one['id'] for one in segments) == np.unique(ids).tolist()
        semantic = read(root, 'semantic', split, image)
        for one in segments:
            mask = ids == one['id']
            assert one['area'] == mask.sum()
            assert one['bbox'] == tight_box(mask)
            assert {names[value] for value in np.unique(semantic[mask])} == {
                labels[one['category_id']]
            }
        of_things = [ids == one['id'] for one in segments if one['category_id'] in things]
        assert sorted(mask.tobytes() for mask in of_things) == sorted(
            mask.tobytes() for mask in masks
        )


def test_the_picture_shows_what_the_masks_say(root):
    """Objects are each of one full colour, the rest is greyish: no object is without a label."""
    for split, image, _, masks in pictures(root):
        picture = read(root, 'images', split, image)
        owner = np.zeros(picture.shape[:2], np.uint8)
        for index, mask in enumerate(masks, 1):
            owner[mask] = index
        away_from_edges = np.zeros(owner.shape, bool)
        around = np.lib.stride_tricks.sliding_window_view(owner, (3, 3))
        away_from_edges[1:-1, 1:-1] = np.ptp(around, axis=(-2, -1)) == 0
        colourful = np.ptp(picture.astype(int), axis=-1) > 90
        # Fine tips fade out further than a pixel; the smallest object has more than four.
        assert ((colourful != (owner > 0)) & away_from_edges).sum() <= 4
        for mask in masks:
            colours = picture[mask & away_from_edges].astype(int)
            if len(colours):
                off = np.abs(colours - np.median(colours, axis=0)).max(-1)
                assert np.percentile(off, 90) < 20


def silhouettes(root):
    """(class, mask, outer contour) of every object."""
    for _, _, found, masks in pictures(root):
        for one, mask in zip(found, masks, strict=True):
            contours, _ = cv2.findContours(
                mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
            )
            yield CLASSES[one['category_id'] - 1], mask, max(contours, key=cv2.contourArea)


def test_classes_are_those_of_the_outlines(root):
    of_circle, of_hull = {}, {}
    for name, _, contour in silhouettes(root):
        area = cv2.contourArea(contour)
        _, radius = cv2.minEnclosingCircle(contour)
        of_circle.setdefault(name, []).append(area / (np.pi * radius**2))
        of_hull.setdefault(name, []).append(area / cv2.contourArea(cv2.convexHull(contour)))
    # most are not covered by others
    circle = {name: np.median(ratios) for name, ratios in of_circle.items()}
    hull = {name: np.median(ratios) for name, ratios in of_hull.items()}
    assert circle['circle'] > 0.85 and 0.55 < circle['square'] < 0.75
    assert 0.3 < circle['triangle'] < 0.5 and hull['triangle'] > 0.9
    assert hull['star'] < 0.75


def test_no_object_is_hidden():
    for seed in range(40):
        made = scene.make_scene(np.random.default_rng(seed), 64)
        pixels = np.bincount(made.owner.ravel())[scene.FIRST_OBJECT :]
        assert len(pixels) == len(made.kinds)
        assert pixels.min() >= 10


def test_sizes_are_spread_and_some_are_outlined(root):
    areas, extents, filled, kinds = [], [], [], set()
    for _, _, found, _ in pictures(root):
        kinds |= {one['category_id'] for one in found}
        areas += [one['area'] for one in found]
        extents += [max(one['bbox'][2:]) for one in found]
    for _, mask, contour in silhouettes(root):
        solid = cv2.drawContours(np.zeros(mask.shape, np.uint8), [contour], -1, 1, cv2.FILLED)
        filled.append(mask.sum() / solid.sum())
    assert kinds == {1, 2, 3, 4}
    assert min(areas) >= 12
    assert 0.3 < np.mean(np.array(areas) < 32**2) < 0.9
    assert min(extents) < 12 and 100 < max(extents) <= 150
    assert 0.1 < np.mean(np.array(filled) < 0.8) < 0.6


def test_every_seed_gives_its_own_files_always(tmp_path):
    first = hashes(generate_shapes(tmp_path / 'first', **SMALL))
    assert hashes(generate_shapes(tmp_path / 'second', **SMALL)) == first
    other = hashes(generate_shapes(tmp_path / 'other', **SMALL, seed=1))
    assert other.keys() == first.keys()
    assert {name for name in first if other[name] == first[name]} == {'classes.txt'}
    images = [digest for name, digest in first.items() if name.startswith('images')]
    assert len(set(images)) == len(images) == 5


def test_more_pictures_leave_the_others_alone(tmp_path):
    few = hashes(generate_shapes(tmp_path / 'few', **SMALL) / 'images' / 'train')
    more = hashes(generate_shapes(tmp_path / 'more', **{**SMALL, 'num_train': 4}) / 'images/train')
    assert few.items() < more.items()


def test_is_made_once(root, monkeypatch):
    monkeypatch.setattr(generate, 'write_folder', pytest.fail)
    assert generate_shapes(str(root), num_train=14, num_val=4) == root


def test_other_arguments_replace_it(tmp_path):
    folder = generate_shapes(tmp_path / 'shapes', **SMALL)
    generate_shapes(folder, num_train=1, num_val=1, size=64)
    assert len(list(folder.rglob('*.png'))) == 8
    assert [path.name for path in tmp_path.iterdir()] == ['shapes']


@pytest.mark.parametrize('before', [None, dict(SMALL, seed=7)], ids=['new', 'replacing'])
def test_interruption_leaves_nothing_half_made(tmp_path, monkeypatch, before):
    folder = tmp_path / 'data' / 'shapes'
    if before:
        generate_shapes(folder, **before)
    state = hashes(folder)
    scenes = []

    def interrupted(*args):
        scenes.append(args)
        if len(scenes) == 3:
            raise KeyboardInterrupt
        return make_scene(*args)

    make_scene = generate.make_scene
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(generate, 'make_scene', interrupted)
        generate_shapes(folder, **SMALL)
    assert hashes(folder) == state
    assert [path.name for path in folder.parent.iterdir()] == (['shapes'] if before else [])
    generate_shapes(folder, **SMALL)
    assert hashes(folder) == hashes(generate_shapes(tmp_path / 'undisturbed', **SMALL))


def test_folder_has_ordinary_rights(tmp_path):
    (tmp_path / 'ordinary').mkdir()
    folder = generate_shapes(tmp_path / 'shapes', **SMALL)
    assert folder.stat().st_mode == (tmp_path / 'ordinary').stat().st_mode


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / 'shapes').mkdir()
    assert (generate_shapes(tmp_path / 'shapes', **SMALL) / 'train.json').exists()


@pytest.mark.parametrize(
    'name, text', [('notes.txt', 'mine'), ('shapes.json', 'not JSON'), ('shapes.json', '[1]')]
)
def test_something_else_is_left_alone(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match='name another folder'):
        generate_shapes(tmp_path, **SMALL)
    assert (tmp_path / name).read_text() == text
    with pytest.raises(ValueError, match='name another folder'):
        generate_shapes(tmp_path / name, **SMALL)


@pytest.mark.parametrize(
    'wrong', [dict(num_train=0), dict(num_val=0), dict(size=63), dict(seed=-1)]
)
def test_numbers_out_of_range(tmp_path, wrong):
    with pytest.raises(ValueError, match=f'{next(iter(wrong))} is .* or more'):
        generate_shapes(tmp_path / 'shapes', **{**SMALL, **wrong})
    assert not any(tmp_path.iterdir())


def test_numbers_are_whole(tmp_path):
    with pytest.raises(TypeError, match='size is 96.5: give a whole number'):
        generate_shapes(tmp_path / 'shapes', size=96.5)


def test_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('shapes.generate_shapes', functools.partial(generate_shapes, **SMALL))
    runpy.run_path(str(SCRIPT))['main']([str(tmp_path / 'shapes'), '--seed', '5'])
    assert capsys.readouterr().out.endswith(f'{tmp_path / "shapes"}\n')
    assert json.loads((tmp_path / 'shapes' / 'shapes.json').read_text())['seed'] == 5


@pytest.mark.slow
def test_command_tells_what_is_wrong_in_one_sentence(tmp_path):
    (tmp_path / 'mine').touch()
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.count('\n') == 1 and 'name another folder' in done.stderr


def test_pycocotools_reads_it(root):
    coco = COCO(str(root / 'val.json'))
    assert len(coco.getImgIds()) == 4
    for annotation in coco.loadAnns(coco.getAnnIds()):
        assert coco.annToMask(annotation).sum() == annotation['area']


def test_mmdet_reads_it(root):
    datasets = pytest.importorskip('mmdet.datasets')
    loading = [
        dict(type='mmdet.LoadImageFromFile'),
        dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True),
    ]
    found = datasets.CocoDataset(
        data_root=str(root),
        ann_file='train.json',
        data_prefix=dict(img='images/train/'),
        metainfo=dict(classes=CLASSES),
        pipeline=loading,
    )
    assert len(found) == 14
    expected = {
        image['id']: (instances, masks)
        for split, image, instances, masks in pictures(root)
        if split == 'train'
    }
    for sample in found:
        instances, masks = expected[sample['img_id']]
        np.testing.assert_array_equal(sample['gt_masks'].masks.astype(bool), masks)
        assert sample['gt_bboxes_labels'].tolist() == [one['category_id'] - 1 for one in instances]


def test_mmdet_reads_its_panoptic_labels(root):
    datasets = pytest.importorskip('mmdet.datasets')
    stuff = ('ground', 'path')
    found = datasets.CocoPanopticDataset(
        data_root=str(root),
        ann_file='panoptic_val.json',
        data_prefix=dict(img='images/val/', seg='panoptic/val/'),
        metainfo=dict(classes=CLASSES + stuff, thing_classes=CLASSES, stuff_classes=stuff),
    )
    instances = {image['id']: len(instances) for _, image, instances, _ in pictures(root)}
    assert len(found) == 4
    for index in range(4):
        sample = found.get_data_info(index)
        things = [one for one in sample['segments_info'] if one['is_thing']]
        assert len(things) == instances[sample['img_id']]
        assert cv2.imread(sample['seg_map_path']) is not None
