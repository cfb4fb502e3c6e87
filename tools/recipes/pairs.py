"""A folder of pictures in images/ and the maps of their pixels, label maps or depths, beside it.

Both are divided into train/, val/ and, if there is a test set, test/; a map is a PNG file of its
picture's name.
"""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

from .config import drop_repeated, map_datasets
from .data.maps import Kind
from .data.survey import pictures_in

SPLITS = ('train', 'val', 'test')


def use_map_folder(
    cfg, root: str | Path, kind: Kind, settings: Callable[[Path, list], Callable[[dict], dict]]
) -> None:
    """Points a config at a folder.

    Args:
        cfg: An mmengine Config, edited in place.
        root: The folder.
        kind: Of its maps.
        settings: Is called with the folder and its maps by split, (picture, map) each; returns what
            makes of a data set's config the one to replace it, without its paths.

    Raises:
        FileNotFoundError: Something is missing from the folder.
        ValueError: Something is wrong with the folder.
    """
    root = Path(root).resolve()
    if not root.is_dir():
        raise FileNotFoundError(f'--data: there is no folder {root}.')
    pairs = find_pairs(root, kind)
    replace = settings(root, pairs)
    for split in SPLITS:
        source = split if split in pairs else 'val'
        # copied, for mmseg's configs write test_dataloader = val_dataloader: one object, two names
        loader = deepcopy(cfg[f'{split}_dataloader'])
        for dataset in map_datasets(loader, kind.key):
            replaced = replace(dataset)
            dataset.clear()
            dataset.update(
                replaced,
                data_root=str(root),
                data_prefix={
                    'img_path': f'images/{source}',
                    kind.key: f'{kind.folder}/{source}',
                },
                img_suffix=pairs[source][0][0].suffix,
            )
        drop_repeated(loader)
        cfg[f'{split}_dataloader'] = loader


def find_pairs(root: Path, kind: Kind) -> dict[str, list[tuple[Path, Path]]]:
    """The pictures of ``root`` and their maps, by split.

    Raises:
        FileNotFoundError: Pictures or maps are missing.
        ValueError: The pictures of a split are of several kinds.
    """
    splits = ['train', 'val', *(['test'] if (root / kind.folder / 'test').is_dir() else [])]
    found = {}
    for split in splits:
        pictures = _find_pictures(root / 'images' / split, kind)
        found[split] = _pair(pictures, root / 'images' / split, root / kind.folder / split, kind)
    return found


def _find_pictures(folder: Path, kind: Kind) -> list[Path]:
    found = pictures_in(folder)
    if not found:
        raise FileNotFoundError(
            f'{folder} is missing or holds no pictures: --data DIR needs pictures in '
            f'DIR/images/train and DIR/images/val, and their {kind.name}s, PNG files of the '
            f'same names, in DIR/{kind.folder}/train and DIR/{kind.folder}/val.'
        )
    other = next((path for path in found if path.suffix != found[0].suffix), None)
    if other:
        raise ValueError(
            f'{folder} holds pictures of several kinds, {found[0].name} and {other.name}: '
            'convert them, so that all end alike.'
        )
    return found


def _pair(pictures: list[Path], images: Path, maps: Path, kind: Kind) -> list[tuple[Path, Path]]:
    """Each picture under ``images`` with its map under ``maps``."""
    pairs = [(path, maps / path.relative_to(images).with_suffix('.png')) for path in pictures]
    missing = [path for _, path in pairs if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f'{len(missing)} of the {len(pictures)} pictures in {images} have no {kind.name}, '
            f'for instance {missing[0]} is missing.'
        )
    strays = sorted(set(maps.rglob('*.png')) - {path for _, path in pairs})
    if strays:
        raise FileNotFoundError(
            f'{strays[0]} is the {kind.name} of a picture that is missing from {images}.'
        )
    return pairs
