"""Pictures in images/ and the maps of their pixels, label maps or depths, in a folder beside it.

Both are divided into train/, val/ and, if there is a test set, test/; a map is a PNG file of its
picture's name.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

PICTURES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')
ORIENTATION = 274  # the EXIF tag; from 5 on, pictures are shown with width and height exchanged


@dataclass(frozen=True)
class Maps:
    """A kind of maps.

    Args:
        folder: Where they lie.
        name: What one of them is called.
        values: What the values of its one channel are.
    """

    folder: str
    name: str
    values: str

    def find(self, root: Path) -> tuple[dict[str, str], list[tuple[Path, Path]]]:
        """The pictures of ``root`` and their maps.

        Returns:
            For each of its parts the suffix of the pictures, and all pictures with their maps.

        Raises:
            FileNotFoundError: Pictures or maps are missing.
            ValueError: The pictures of a part are of several kinds.
        """
        splits = ['train', 'val', *(['test'] if (root / self.folder / 'test').is_dir() else [])]
        suffixes, pairs = {}, []
        for split in splits:
            pictures = self._find_pictures(root / 'images' / split)
            suffixes[split] = pictures[0].suffix
            pairs += self._pair(pictures, root / 'images' / split, root / self.folder / split)
        return suffixes, pairs

    def read(self, picture: Path, path: Path) -> np.ndarray:
        """The map at ``path``, (H, W) as it is in the file.

        Raises:
            ValueError: It cannot be read, has colours, or is of another size than its picture.
        """
        try:
            with Image.open(picture) as image:
                turned = image.getexif().get(ORIENTATION, 1) >= 5
                size = image.size[::-1] if turned else image.size
        except OSError:
            raise ValueError(
                f'{picture} is not a picture that can be read: export it again.'
            ) from None
        try:
            with Image.open(path) as image:
                values = np.asarray(image)
        except (OSError, SyntaxError):
            raise ValueError(f'{path} is not a PNG that can be read: export it again.') from None
        if values.ndim != 2:
            raise ValueError(
                f'{path} is a colour picture: a {self.name} has one channel, whose values are '
                f'{self.values}.'
            )
        if values.shape[::-1] != size:
            raise ValueError(
                f'{path} has {values.shape[1]}x{values.shape[0]} pixels, but its picture '
                f'{picture} has {size[0]}x{size[1]}: make them equal.'
            )
        return values

    def _find_pictures(self, folder: Path) -> list[Path]:
        found = sorted(
            path
            for path in folder.rglob('*')
            if path.suffix.lower() in PICTURES and not path.name.startswith('.')
        )
        if not found:
            raise FileNotFoundError(
                f'{folder} is missing or holds no pictures: --data DIR needs pictures in '
                f'DIR/images/train and DIR/images/val, and their {self.name}s, PNG files of the '
                f'same names, in DIR/{self.folder}/train and DIR/{self.folder}/val.'
            )
        other = next((path for path in found if path.suffix != found[0].suffix), None)
        if other:
            raise ValueError(
                f'{folder} holds pictures of several kinds, {found[0].name} and {other.name}: '
                'convert them, so that all end alike.'
            )
        return found

    def _pair(self, pictures: list[Path], images: Path, maps: Path) -> list[tuple[Path, Path]]:
        """Each picture under ``images`` with its map under ``maps``."""
        pairs = [(path, maps / path.relative_to(images).with_suffix('.png')) for path in pictures]
        missing = [path for _, path in pairs if not path.is_file()]
        if missing:
            raise FileNotFoundError(
                f'{len(missing)} of the {len(pictures)} pictures in {images} have no {self.name}, '
                f'for instance {missing[0]} is missing.'
            )
        strays = sorted(set(maps.rglob('*.png')) - {path for _, path in pairs})
        if strays:
            raise FileNotFoundError(
                f'{strays[0]} is the {self.name} of a picture that is missing from {images}.'
            )
        return pairs
