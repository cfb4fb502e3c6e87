from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from recipes.checks import check_data
from recipes.config import map_datasets, walk
from recipes.data.check import check_splits
from recipes.data.maps import LABELS, judge_maps
from recipes.data.report import Report
from recipes.data.sources import mapped
from recipes.pairs import find_pairs
from recipes.semantic import read_names, use_semantic_folder

pytest.importorskip('mmseg')
from mmengine.config import Config  # noqa: E402
from mmengine.hub import get_config  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402


def write_pair(root, split, name, labels, suffix='.png'):
    for kind in ('images', 'semantic'):
        (root / kind / split / name).parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((*labels.shape[:2], 3), 90, np.uint8)
    cv2.imwrite(str(root / 'images' / split / f'{name}{suffix}'), picture)
    Image.fromarray(labels).save(root / 'semantic' / split / f'{name}.png')


@pytest.fixture
def root(tmp_path):
    """Three pictures, classes 0 to 2, some pixels ignored."""
    labels = np.zeros((12, 16), np.uint8)
    labels[:4], labels[4:6, :3] = 255, 1
    write_pair(tmp_path, 'train', 'a', labels)
    write_pair(tmp_path, 'train', 'b.1', labels)
    write_pair(tmp_path, 'val', 'deeper/c', labels + (labels == 1), suffix='.JPG')
    return tmp_path


def names(root):
    return read_names(root, find_pairs(root, LABELS))


@pytest.fixture
def read(check_maps):
    return lambda root, classes: check_maps(
        root, 'BaseSegDataset', 'seg_map_path', 'semantic', '.png', metainfo=dict(classes=classes)
    )


def test_names_are_made_up_where_there_are_none(root):
    assert names(root) == ('class0', 'class1', 'class2')
    pairs = find_pairs(root, LABELS)
    assert [pairs[split][0][0].suffix for split in ('train', 'val')] == ['.png', '.JPG']


def test_names_from_the_file(root):
    (root / 'classes.txt').write_text('\ufeffground\n\n tree \nhouse\nwater\n', encoding='utf-8')
    assert names(root) == ('ground', 'tree', 'house', 'water')


def test_a_test_set_of_its_own(root):
    write_pair(root, 'test', 'd', np.ones((3, 4), np.uint8), suffix='.tif')
    assert find_pairs(root, LABELS)['test'][0][0].name == 'd.tif'


def test_label_maps_with_a_palette(root):
    """Their values are indices, whatever the colours."""
    image = Image.fromarray(np.full((12, 16), 7, np.uint8))
    image.putpalette([200, 30, 90] * 256)
    image.save(root / 'semantic/train/a.png')
    assert len(names(root)) == 8


def test_pictures_turned_by_their_exif(root, read):
    """Such a picture is as wide as it is shown."""
    exif = Image.Exif()
    exif[274] = 6
    Image.new('RGB', (12, 16)).save(root / 'images/train/a.png', exif=exif)
    assert not read(root, ('x', 'y', 'z')).errors


@pytest.mark.parametrize(
    'lost, words',
    [
        ('images/train', 'images/train is missing or holds no pictures'),
        (
            'semantic/val',
            r'1 of the 1 pictures.*val have no label map.*val/deeper/c.png is missing',
        ),
        ('semantic/train/a.png', r'1 of the 2 pictures.*train/a.png is missing'),
        ('images/train/a.png', r'semantic/train/a.png is the label map of a picture'),
    ],
)
def test_missing_files(root, lost, words):
    (root / lost).rename(root / 'elsewhere')
    with pytest.raises(FileNotFoundError, match=words):
        find_pairs(root, LABELS)


def test_pictures_of_two_kinds(root):
    write_pair(root, 'train', 'z', np.ones((3, 4), np.uint8), suffix='.jpg')
    with pytest.raises(ValueError, match='several kinds, a.png and z.jpg'):
        find_pairs(root, LABELS)


def test_a_name_twice(root):
    (root / 'classes.txt').write_text('x\ny\nx\n')
    with pytest.raises(ValueError, match="names the class 'x' twice"):
        names(root)


def labels(value, kind=np.uint8, shape=(12, 16)):
    return Image.fromarray(np.full(shape, value, kind))


@pytest.mark.parametrize(
    'image, words',
    [
        (labels(3), 'b.1.png: it has the value 3, but there are 3 classes, and 255 marks'),
        (labels(300, np.uint16), 'b.1.png: it has the value 300, but there are 3 classes'),
        (labels(1, shape=(12, 16, 3)), 'b.1.png: it is a colour picture'),
        (
            labels(1, shape=(16, 12)),
            'b.1.png: it has 12x16 pixels, but its picture {}/images/train/b.1.png has 16x12',
        ),
    ],
)
def test_wrong_label_maps(root, read, image, words):
    image.save(root / 'semantic/train/b.1.png')
    assert words.format(root) in str(read(root, ('x', 'y', 'z')).errors[0])


@pytest.mark.parametrize('kind', ['images', 'semantic'])
def test_files_that_cannot_be_read(root, read, kind):
    path = root / kind / 'train/a.png'
    path.write_bytes(path.read_bytes()[:20])
    assert any(
        'a.png' in str(e) and 'read' in e.message for e in read(root, ('x', 'y', 'z')).errors
    )


@pytest.fixture
def binary(tmp_path):
    mask = np.zeros((8, 8), np.uint8)
    mask[2:4] = 255
    for split in ('train', 'val'):
        write_pair(tmp_path, split, 'a', mask)
    return tmp_path


def test_masks_of_0_and_255(binary, read):
    """The commonest mistake, 255 for the object, with names or without."""
    with pytest.raises(ValueError, match='only one class.*255 marks pixels that are left out'):
        names(binary)
    errors = read(binary, ('background', 'object')).errors
    assert errors[0].message == (
        "the only class that occurs is 'background': 255 marks pixels that are left out, so write "
        "1 for 'object'; values that occur: 0 (75 %), 255 (25 %)."
    )


def test_a_model_of_one_class(binary, read):
    """It tells a class from everything else."""
    assert not read(binary, ('object',)).findings


def test_classes_that_never_occur(root, read):
    report = read(root, ('ground', 'tree', 'sea'))
    assert not report.errors
    assert '1 class never occur and cannot be learnt (sea); values that occur: 0 (' in str(
        report.warnings[0]
    )


def test_values_as_the_parent_makes_them(root):
    """ADE20K's own data set makes 255 of 0, and n - 1 of n."""
    from mmseg.datasets import ADE20KDataset

    root = root / 'ade'
    for name, value in (('a', 150), ('b', 0)):
        write_pair(root, 'train', name, np.full((4, 4), value, np.uint8))
    dataset = dict(
        type='ADE20KDataset',
        data_root=str(root),
        img_suffix='.png',
        data_prefix=dict(img_path='images/train', seg_map_path='semantic/train'),
    )
    use = mapped('train', dataset, ADE20KDataset)
    report = Report()
    counts = judge_maps(report, use)
    assert counts[149] == 16 and counts.sum() == 16
    parent = ADE20KDataset(
        data_root=str(root),
        img_suffix='.png',
        data_prefix=dataset['data_prefix'],
        pipeline=[dict(type='mmseg.LoadAnnotations')],
    )
    seen = np.concatenate([parent[i]['gt_seg_map'].ravel() for i in range(2)])
    wanted = np.bincount(seen, minlength=256)
    assert (wanted[:150] == counts).all() and wanted[255] == 16
    assert [pair[0] for pair in use.pairs] == [parent[i]['img_path'] for i in range(2)]


SEGFORMER = 'segformer/segformer_mit-b1_8xb2-160k_ade20k-512x512.py'


@pytest.mark.parametrize(
    'name, counts',
    [
        (SEGFORMER, 1),
        ('upernet/upernet_r50_4xb2-40k_cityscapes-512x1024.py', 2),
        ('ocrnet/ocrnet_hr18_4xb4-80k_ade20k-512x512.py', 2),
        ('unet/unet-s5-d16_fcn_4xb4-40k_chase-db1-128x128.py', 2),
    ],
)
def test_every_head_counts_the_folders_classes(shapes, tmp_path, name, counts):
    cfg = get_config(f'mmseg::{name}')
    use_semantic_folder(cfg, shapes)
    found = [node['num_classes'] for node in walk(cfg.model) if 'num_classes' in node]
    names = tuple((shapes / 'classes.txt').read_text().split())
    assert found == [len(names)] * counts
    for split in ('train', 'val', 'test'):
        source = 'train' if split == 'train' else 'val'
        datasets = map_datasets(cfg[f'{split}_dataloader'], LABELS.key)
        assert datasets
        for dataset in datasets:
            assert dataset.metainfo.classes == names
            assert len(set(dataset.metainfo.palette)) == len(names)
            assert dataset.data_prefix.seg_map_path == f'semantic/{source}'
    cfg.work_dir = str(tmp_path)
    check_data(cfg, ('train', 'val', 'test'))


def test_labels_are_those_of_the_files(shapes):
    """mmseg's own data set, built from the edited config of one in which 0 is no class, against
    the PNG: every value as it stands, 0 included."""
    from mmseg.registry import DATASETS

    cfg = get_config(f'mmseg::{SEGFORMER}')
    use_semantic_folder(cfg, shapes)
    init_default_scope('mmseg')
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    assert len(dataset) == len(list((shapes / 'images/val').iterdir()))
    for i in range(len(dataset)):
        sample = dataset[i]['data_samples']
        path = shapes / 'semantic/val' / Path(sample.img_path).name
        wanted = torch.from_numpy(np.array(Image.open(path))).long()
        assert torch.equal(sample.gt_sem_seg.data[0].long(), wanted)
        assert (wanted == 0).any()


def test_a_test_set_of_its_own_and_another_suffix(tmp_path):
    for split, suffix in (('train', 'png'), ('val', 'jpg'), ('test', 'bmp')):
        for kind in ('images', 'semantic'):
            (tmp_path / kind / split).mkdir(parents=True)
        Image.new('RGB', (8, 6)).save(tmp_path / f'images/{split}/a.{suffix}')
        Image.new('L', (8, 6), 1).save(tmp_path / f'semantic/{split}/a.png')
    cfg = get_config(f'mmseg::{SEGFORMER}')
    use_semantic_folder(cfg, tmp_path)
    suffixes = [cfg[f'{split}_dataloader'].dataset.img_suffix for split in ('train', 'val', 'test')]
    assert suffixes == ['.png', '.jpg', '.bmp']
    assert cfg.test_dataloader.dataset.data_prefix.img_path == 'images/test'


def test_several_data_sets_become_one(shapes):
    """mmseg's VOC has two lists of pictures."""
    cfg = get_config('mmseg::deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py')
    assert len(map_datasets(cfg.train_dataloader, LABELS.key)) == 2
    use_semantic_folder(cfg, shapes)
    assert len(map_datasets(cfg.train_dataloader, LABELS.key)) == 1


def test_a_class_that_val_alone_has(root):
    (root / 'classes.txt').write_text('ground\ntree\nsea\n')
    write_pair(root, 'train', 'a', np.eye(12, dtype=np.uint8))
    cfg = get_config(f'mmseg::{SEGFORMER}')
    use_semantic_folder(cfg, root)
    report = check_splits(cfg, ('train', 'val'))
    assert not report.errors
    told = [str(found) for found in report.warnings]
    assert any('it has 1 class (sea) of which' in t and 'none to learn from' in t for t in told)


@pytest.mark.parametrize('encoding', ['gbk', 'utf-16'])
def test_names_in_another_encoding(root, encoding):
    (root / 'classes.txt').write_text('天空\n草地\n', encoding=encoding)
    with pytest.raises(ValueError, match='classes.txt is not in UTF-8'):
        names(root)


def test_weights_of_the_old_classes_go(shapes):
    cfg = get_config(f'mmseg::{SEGFORMER}')
    count = len((shapes / 'classes.txt').read_text().split())
    cfg.model.decode_head.loss_decode.class_weight = [0.5] * 150 + [0.1]
    use_semantic_folder(cfg, shapes)
    assert cfg.model.decode_head.loss_decode.class_weight == [1.0] * count + [0.1]


def test_configs_of_another_kind(shapes):
    with pytest.raises(ValueError, match='--data takes segmentation configs'):
        use_semantic_folder(Config(dict(model=dict(), train_dataloader=None)), shapes)


def test_missing_data_names_the_folder_and_the_remedy():
    cfg = get_config(f'mmseg::{SEGFORMER}')
    cfg.train_dataloader.dataset.data_root = '/nowhere'
    with pytest.raises(FileNotFoundError, match='/nowhere/images/training is missing.*--data'):
        check_data(cfg, ('train',))
