"""Looking at many files: in parallel, with a bar where it takes long, and remembered beside them.

What is remembered of a file counts as long as its time and size are the same.
"""

import json
import multiprocessing
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from rich.progress import Progress

# large pictures are no attack here, and only their headers are read
Image.MAX_IMAGE_PIXELS = None
PICTURES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')
PATIENCE = 2  # seconds before a bar is shown
ALONE = 1000  # so many files are looked at without other processes
CHUNK = 100
# to be raised whenever what a look returns changes
VERSION = 1
ORIENTATION = 274  # the EXIF tag
BITS = 258  # the TIFF tag of a sample's bits
# how files end that were written to the end, and how far from the end that may be
ENDS = {'JPEG': (b'\xff\xd9', 4096), 'PNG': (b'IEND', 64)}

_remembered: dict[Path, dict] = {}


def survey(look: Callable[[str], list], paths: list[str], cache: Path, what: str) -> list[list]:
    """What ``look`` returns for every path.

    Args:
        look: A function of a module; what it returns goes into JSON.
        paths: Files. Of one that is missing, [] is returned.
        cache: The file that remembers; where it cannot be written, nothing is remembered.
        what: What the bar says.

    Returns:
        The results, in the order of ``paths``.
    """
    known = _remember(cache).setdefault(look.__name__, {})
    stamps = [_stamp(path) for path in paths]
    new = [
        path
        for path, stamp in zip(paths, stamps, strict=True)
        if stamp and known.get(path, [None])[0] != stamp
    ]
    new = list(dict.fromkeys(new))
    if new:
        stamped = dict(zip(paths, stamps, strict=True))
        for path, seen in zip(new, with_bar(_map(look, new), len(new), what), strict=True):
            known[path] = [stamped[path], seen]
        _write(cache)
    return [known[path][1] if stamp else [] for path, stamp in zip(paths, stamps, strict=True)]


def pictures_in(folder: Path) -> list[Path]:
    """The pictures in ``folder`` and its folders, sorted."""
    return sorted(
        path
        for path in folder.rglob('*')
        if path.suffix.lower() in PICTURES and not path.name.startswith('.')
    )


def _stamp(path: str) -> list[int] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # ValueError: a name with a zero byte
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return [found.st_mtime_ns, found.st_size]


def _map(look: Callable, paths: list[str]) -> Iterator[list]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    if len(paths) < ALONE or cores < 2 or 'fork' not in multiprocessing.get_all_start_methods():
        yield from map(look, paths)
        return
    # forked, for a new interpreter would import PyTorch once more in each
    context = multiprocessing.get_context('fork')
    with ProcessPoolExecutor(cores, mp_context=context) as pool:
        yield from pool.map(look, paths, chunksize=CHUNK)


def with_bar(items: Iterable, total: int, what: str) -> Iterator:
    """The items, with a bar of progress from the moment that they take over ``PATIENCE``."""
    start, bar, task = time.monotonic(), None, None
    try:
        for item in items:
            if bar is None and time.monotonic() - start > PATIENCE:
                bar = Progress(transient=True)
                bar.start()
                task = bar.add_task(what, total=total)
            if bar:
                bar.advance(task)
            yield item
    finally:
        if bar:
            bar.stop()


def _remember(cache: Path) -> dict:
    if cache not in _remembered:
        try:
            content = json.loads(cache.read_text(encoding='utf-8'))
        except (OSError, ValueError):
            content = {}
        same = isinstance(content, dict) and content.get('version') == VERSION
        _remembered[cache] = content if same else dict(version=VERSION)
    return _remembered[cache]


def _write(cache: Path) -> None:
    part = cache.with_name(f'{cache.name}.{os.getpid()}')
    try:
        part.write_text(json.dumps(_remembered[cache], separators=(',', ':')), encoding='utf-8')
        part.replace(cache)
    except OSError:  # a folder that one may not write in
        part.unlink(missing_ok=True)


def look_at_picture(path: str) -> list:
    """Reads a picture's header.

    Returns:
        Width and height in pixels as the file has them, the EXIF orientation (1 to 8), the bits of
        a sample, and what is wrong: '', 'empty', 'unreadable' or 'cut off'.
    """
    with open(path, 'rb') as file:
        head = file.read(32)
        if not head:
            return [0, 0, 1, 8, 'empty']
        file.seek(0)
        try:
            with Image.open(file) as image:
                width, height = image.size
                kind, tags = image.format, image.getexif()
                bits = tags.get(BITS, 8) if kind == 'TIFF' else 8
        except Exception:  # Pillow's readers raise whatever they meet
            return _decoded(path)
        if kind == 'PNG':
            bits = head[24]
        # a TIFF has a number for each channel
        bits = max(bits) if isinstance(bits, tuple) else bits
        problem = ''
        if kind in ENDS:
            end, tail = ENDS[kind]
            file.seek(max(0, os.fstat(file.fileno()).st_size - tail))
            problem = '' if end in file.read() else 'cut off'
    orientation = tags.get(ORIENTATION, 1)
    if problem and cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) is None:
        problem = 'unreadable'
    return [width, height, orientation if orientation in range(1, 9) else 1, bits, problem]


def _decoded(path: str) -> list:
    """The same of a picture that Pillow does not read, as OpenCV, which training uses, does."""
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        return [0, 0, 1, 8, 'unreadable']
    return [pixels.shape[1], pixels.shape[0], 1, 8 * pixels.itemsize, '']


def shown_size(seen: list) -> tuple[int, int]:
    """Width and height of a picture as training sees it, turned by its EXIF orientation."""
    width, height, orientation = seen[:3]
    return (height, width) if orientation >= 5 else (width, height)


def look_at_map(path: str) -> list:
    """Counts the values of a map of one channel, as mmseg reads it.

    Returns:
        Width and height in pixels, bits, what is wrong ('', 'colours' or 'unreadable'), and
        [value, count] of every value; of one with more than 8 bits, those of its least, its middle
        and its greatest value that is not 0, and of 0.
    """
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image)
    except Exception:  # Pillow's readers raise whatever they meet
        return [0, 0, 8, 'unreadable', []]
    if pixels.ndim != 2:
        return [pixels.shape[1], pixels.shape[0], 8, 'colours', []]
    height, width = pixels.shape
    pixels = pixels.astype(np.uint8) if pixels.dtype == bool else pixels
    values, counts = np.unique(pixels, return_counts=True)
    bits = 8 * pixels.itemsize
    if bits > 8 and len(values) > 256:
        known = pixels[pixels > 0]
        values = np.array([0, known.min(), np.median(known), known.max()])
        counts = np.array([pixels.size - known.size, 1, known.size - 2, 1])
    return [
        width,
        height,
        bits,
        '',
        [list(pair) for pair in zip(values.tolist(), counts.tolist(), strict=True) if pair[1]],
    ]


def look_at_segments(path: str) -> list:
    """Finds the ids of the segments in a panoptic PNG.

    Returns:
        Width and height in pixels, what is wrong ('', 'gray' or 'unreadable'), and [id, count] of
        every colour, whose id is red + 256 green + 256² blue.
    """
    try:
        with Image.open(path) as image:
            gray = len(image.getbands()) < 3 and image.mode != 'P'
            colours = np.asarray(image.convert('RGB')).astype(np.uint32)
    except Exception:  # Pillow's readers raise whatever they meet
        return [0, 0, 'unreadable', []]
    ids = colours @ np.array([1, 256, 65536], np.uint32)
    values, counts = np.unique(ids, return_counts=True)
    pairs = zip(values.tolist(), counts.tolist(), strict=True)
    return [ids.shape[1], ids.shape[0], 'gray' if gray else '', [list(pair) for pair in pairs]]


def remembered_beside(path: Path) -> Path:
    """The file that remembers what was seen of the pictures or maps of ``path``."""
    return path.with_name(f'.{path.stem}.seen.json')
