"""Reading a COCO panoptic annotation file that somebody made, and saying what is wrong with it."""

from dataclasses import dataclass
from pathlib import Path

from .annotations import Annotations, check_references, need_keys, read_coco, summary

SEGMENT_KEYS = ('id', 'category_id', 'area', 'bbox', 'iscrowd')
# mmdet looks for the label map of a picture under the picture's name, with .png in place of .jpg
PICTURES = ('.jpg', '.png')


@dataclass(frozen=True)
class PanopticAnnotations(Annotations):
    """Annotations whose first `num_things` classes are things, and the others stuff."""

    num_things: int

    @property
    def things(self) -> tuple[str, ...]:
        return self.classes[: self.num_things]

    @property
    def stuff(self) -> tuple[str, ...]:
        return self.classes[self.num_things :]

    @property
    def label_maps(self) -> tuple[str, ...]:
        """The names of the PNG files that hold the segments, one for each picture."""
        return tuple(name.replace('.jpg', '.png') for name in self.file_names)


def read_panoptic_annotations(path: str | Path) -> PanopticAnnotations:
    """Read and check the COCO panoptic annotation file at `path`.

    Raises FileNotFoundError when there is no such file and ValueError when it is not COCO panoptic
    JSON, lacks a field that training needs, lists no things or no stuff, or stuff before things:
    mmdet gives labels in that order, and takes the first for the things.
    """
    path = Path(path)
    data = read_coco(
        path,
        'for a panoptic config, --data DIR needs DIR/panoptic_train.json and '
        'DIR/panoptic_val.json in COCO panoptic format, their label maps in '
        'DIR/panoptic/train and DIR/panoptic/val, and the pictures in DIR/images.',
    )
    need_keys(path, data['categories'], 'category', ('isthing',))
    need_keys(path, data['annotations'], 'annotation', ('image_id', 'segments_info'))
    segments = [segment for entry in data['annotations'] for segment in entry['segments_info']]
    need_keys(path, segments, 'segment', SEGMENT_KEYS)
    objects = [
        dict(category_id=segment['category_id'], image_id=entry['image_id'])
        for entry in data['annotations']
        for segment in entry['segments_info']
    ]
    check_references(path, data, objects)
    for entry in data['images']:
        name = entry['file_name']
        if '/' in name or not name.endswith(PICTURES):
            raise ValueError(
                f'{path} names the picture {name!r}: panoptic training takes .jpg and '
                '.png pictures whose names have no folder in them.'
            )
    things = [bool(category['isthing']) for category in data['categories']]
    if all(things) or not any(things):
        raise ValueError(
            f'{path} lists no {"stuff" if all(things) else "things"}: panoptic '
            'training needs categories with "isthing" 1 and categories with 0.'
        )
    if things != sorted(things, reverse=True):
        raise ValueError(
            f'{path} lists stuff before things: put the categories with "isthing" 1 '
            'before those with 0.'
        )
    return PanopticAnnotations(path, **summary(data, objects), num_things=sum(things))
