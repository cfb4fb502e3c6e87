"""Making the Shapes data set, once."""

import json
import os
import pathlib
import tempfile

from .write import write_folder, write_json

# To be raised whenever the files made from a seed change.
_VERSION = 2
_RECORD = 'shapes.json'


def generate_shapes(
    root: str | os.PathLike, num_train: int = 320, num_val: int = 64, size: int = 256, seed: int = 0
) -> pathlib.Path:
    """Make the Shapes data set, unless ``root`` already holds it.

    Circles, squares, triangles and stars, filled and outlined, lie over one another on textured
    ground that a path crosses. The same arguments give the same files, and the folder appears
    under its name only when it is complete. In it are::

        train.json, val.json                 COCO detection format, masks as compressed RLE
        images/{train,val}/*.png             size x size pixels
        semantic/{train,val}/*.png           one channel: 0 ground, 1 path, 2.. the shapes
        classes.txt                          the names of those values, one a line
        panoptic_{train,val}.json, panoptic/{train,val}/*.png     COCO panoptic format
        shapes.json                          the arguments that it was made with

    Args:
        root: folder to make. One that holds Shapes made with other arguments is replaced.
        num_train: pictures to train on, at least 1.
        num_val: pictures to evaluate on, at least 1.
        size: width and height of the pictures in pixels, at least 64.
        seed: another seed, from 0, gives other pictures.

    Returns:
        ``root`` as a path.

    Raises:
        ValueError: ``root`` holds something else, or a number is too small.
        TypeError: a number is not an int.
    """
    wanted = dict(num_train=num_train, num_val=num_val, size=size, seed=seed)
    for name, least in dict(num_train=1, num_val=1, size=64, seed=0).items():
        if not isinstance(wanted[name], int):
            raise TypeError(f'{name} is {wanted[name]!r}: give a whole number.')
        if wanted[name] < least:
            raise ValueError(f'{name} is {wanted[name]}: choose {least} or more.')
    record = dict(version=_VERSION, **wanted)
    root = pathlib.Path(root)
    if _recorded(root) == record:
        return root

    target = root.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{target.name}-', dir=target.parent) as scratch:
        made = pathlib.Path(scratch, 'made')
        write_folder(made, **wanted)
        write_json(made / _RECORD, record)
        if _recorded(root) == record:  # another process was faster
            return root
        if target.exists():
            target.rename(pathlib.Path(scratch, 'replaced'))
        made.rename(target)
    return root


def _recorded(root: pathlib.Path) -> dict | None:
    """The arguments that ``root`` was made with, None where there is nothing yet."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return None
    try:
        recorded = json.loads((root / _RECORD).read_text())
    except (OSError, ValueError):
        recorded = None
    if not isinstance(recorded, dict):
        raise ValueError(
            f'{root} holds something other than the Shapes data set: '
            'name another folder, or empty this one.'
        )
    return recorded
