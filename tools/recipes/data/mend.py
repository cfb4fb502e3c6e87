"""Copies of COCO files in which what is ours to give is given: ids, areas, names as texts."""

import json
import os
from pathlib import Path

from .coco import load_json


def mend(path: Path, target: Path) -> Path:
    """Writes a copy of a COCO file in which annotations have ids from 1 on, areas and ``iscrowd``,
    and names of classes are texts.

    Args:
        path: The file.
        target: The copy. Several processes may write it at once.

    Returns:
        ``target``, absolute.
    """
    data, _ = load_json(path)
    for category in data['categories']:
        category['name'] = str(category['name'])
    for number, entry in enumerate(data.get('annotations', []), 1):
        if 'segments_info' in entry:
            continue
        entry['id'] = number
        if entry.get('iscrowd') is None:
            entry['iscrowd'] = 0
        if entry.get('area') is None:
            entry['area'] = entry['bbox'][2] * entry['bbox'][3]
    target = target.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f'{target.name}.{os.getpid()}')
    part.write_text(json.dumps(data, separators=(',', ':')), encoding='utf-8')
    return part.replace(target)
