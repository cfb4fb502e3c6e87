"""The accuracy of the user's own runs, from the folders that mmengine writes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config

from recipes.config import walk

from .published import Metric


@dataclass(frozen=True)
class Run:
    """What was found of a row's own runs.

    Args:
        status: 'not run', 'not this config' or 'run'.
        folder: The newest of them, of this config if there is one.
        at: The moment of the scores: a test, or the step (epoch or iteration) of a validation.
        scores: By metric, in the table's unit.
    """

    status: str = 'not run'
    folder: str | None = None
    at: str | None = None
    scores: dict[str, float] = field(default_factory=dict)


def find_run(work_dir: Path, config: Path, metrics: dict[str, Metric]) -> Run:
    """The newest run in ``work_dir`` that validated or tested what ``config`` describes.

    A run under the config's name may be of another model, schedule or data set (``--tiny``,
    ``--from-scratch``, ``--cfg-options``): the config that mmengine saved beside its log is
    compared.
    """
    found, recipe = Run(), None
    for saved in sorted(work_dir.glob('*/vis_data/config.py'), reverse=True):
        folder = saved.parents[1]
        logged = _last(folder, metrics)
        if not logged:
            continue
        recipe = recipe or _recipe(config)
        if _recipe(saved) == recipe:
            scores = {
                name: logged[metric.key] * metric.factor
                for name, metric in metrics.items()
                if metric.key in logged
            }
            at = f'validated at step {logged["step"]}' if 'step' in logged else 'tested'
            return Run('run', str(folder), at, scores)
        if found.status == 'not run':
            found = Run('not this config', str(folder))
    return found


def _last(folder: Path, metrics: dict[str, Metric]) -> dict | None:
    """The last entry with scores that the run ``folder`` logged."""
    keys = {metric.key for metric in metrics.values()}
    return next((logged for logged in reversed(list(_logs(folder))) if keys & logged.keys()), None)


def _logs(folder: Path) -> Iterator[dict]:
    """What training logged line by line, then what a test wrote."""
    for path in (folder / 'vis_data/scalars.json', folder / f'{folder.name}.json'):
        if path.is_file():
            # a run that was killed may leave half a line, and an empty file
            yield from map(_parsed, path.read_text(encoding='utf-8').splitlines())


def _parsed(line: str) -> dict:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return {}


def _recipe(path: Path) -> str:
    """What makes scores comparable: the model, the schedule's length, the names of the data."""
    cfg = Config.fromfile(path)
    length = [cfg.train_cfg.get(key) for key in ('max_epochs', 'max_iters')]
    data = [
        [node.type, node.get('metainfo'), Path(node.get('ann_file', '')).name]
        for split in ('train', 'val', 'test')
        for node in walk(cfg.get(f'{split}_dataloader'))
        if 'data_root' in node
    ]
    return json.dumps([cfg.model, length, data], sort_keys=True)
