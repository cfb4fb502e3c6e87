"""Reading a folder of pictures and label maps that somebody made, and saying what is wrong."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rich.progress import track

PICTURES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')
IGNORED = 255
ORIENTATION = 274  # the EXIF tag; from 5 on, pictures are shown with width and height exchanged


@dataclass(frozen=True)
class SemanticFolder:
    """What a config needs to know of a folder of label maps: the names of its classes in the order
    of their labels, and for each of its splits the suffix of the pictures."""

    classes: tuple[str, ...]
    suffixes: dict[str, str]


def read_semantic_folder(root: Path) -> SemanticFolder:
    """Read and check `root`: images/, semantic/ and classes.txt. Classes without a name in
    classes.txt, where there is none, are called class0, class1 and so on.

    Raises FileNotFoundError when pictures or label maps are missing, and ValueError when a label
    map does not fit its picture or the classes.
    """
    names = _read_names(root / 'classes.txt')
    splits = ['train', 'val', *(['test'] if (root / 'semantic/test').is_dir() else [])]
    suffixes, pairs = {}, []
    for split in splits:
        pictures = _find_pictures(root / 'images' / split)
        suffixes[split] = pictures[0].suffix
        pairs += _pair(pictures, root / 'images' / split, root / 'semantic' / split)
    greatest = max(
        _greatest_label(*pair, names)
        for pair in track(pairs, 'Checking label maps', transient=True)
    )
    names = names or tuple(f'class{i}' for i in range(greatest + 1))
    if len(names) < 2:
        raise ValueError(
            f'{root} has only one class: label maps number the classes 0, 1 and so on, 0 often '
            f'being the background, while {IGNORED} marks pixels that are left out.'
        )
    return SemanticFolder(names, suffixes)


def _read_names(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    lines = path.read_text(encoding='utf-8-sig').splitlines()
    names = tuple(line.strip() for line in lines if line.strip())
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f'{path} names the class {twice!r} twice: give every class its own name.')
    return names


def _find_pictures(folder: Path) -> list[Path]:
    found = sorted(
        path
        for path in folder.rglob('*')
        if path.suffix.lower() in PICTURES and not path.name.startswith('.')
    )
    if not found:
        raise FileNotFoundError(
            f'{folder} is missing or holds no pictures: --data DIR needs pictures in '
            'DIR/images/train and DIR/images/val, and their label maps, PNG files of the same '
            'names, in DIR/semantic/train and DIR/semantic/val.'
        )
    other = next((path for path in found if path.suffix != found[0].suffix), None)
    if other:
        raise ValueError(
            f'{folder} holds pictures of several kinds, {found[0].name} and {other.name}: '
            'convert them, so that all end alike.'
        )
    return found


def _pair(pictures: list[Path], images: Path, semantic: Path) -> list[tuple[Path, Path]]:
    """Each picture under `images` with its label map under `semantic`."""
    pairs = [(path, semantic / path.relative_to(images).with_suffix('.png')) for path in pictures]
    missing = [path for _, path in pairs if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f'{len(missing)} of the {len(pictures)} pictures in {images} have no label map, for '
            f'instance {missing[0]} is missing.'
        )
    strays = sorted(set(semantic.rglob('*.png')) - {path for _, path in pairs})
    if strays:
        raise FileNotFoundError(
            f'{strays[0]} is the label map of a picture that is missing from {images}.'
        )
    return pairs


def _greatest_label(picture: Path, label_map: Path, names: tuple[str, ...]) -> int:
    """The greatest class in `label_map`, 0 where all is ignored."""
    try:
        with Image.open(picture) as image:
            turned = image.getexif().get(ORIENTATION, 1) >= 5
            size = image.size[::-1] if turned else image.size
    except OSError:
        raise ValueError(f'{picture} is not a picture that can be read: export it again.') from None
    try:
        with Image.open(label_map) as image:
            labels = np.asarray(image)
    except (OSError, SyntaxError):
        raise ValueError(f'{label_map} is not a PNG that can be read: export it again.') from None
    if labels.ndim != 2:
        raise ValueError(
            f'{label_map} is a colour picture: a label map has one channel, whose values are the '
            'numbers of the classes.'
        )
    if labels.shape[::-1] != size:
        raise ValueError(
            f'{label_map} has {labels.shape[1]}x{labels.shape[0]} pixels, but its picture '
            f'{picture} has {size[0]}x{size[1]}: make them equal.'
        )
    greatest = int(labels[labels != IGNORED].max(initial=0))
    if greatest >= (len(names) or IGNORED):
        known = f'classes.txt names {len(names)} classes' if names else 'eight bits are the limit'
        raise ValueError(
            f'{label_map} has the value {greatest}, but {known}: values go from 0 to '
            f'{(len(names) or IGNORED) - 1}, and {IGNORED} marks pixels that are left out.'
        )
    return greatest
