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
        last: The same of the last validation, where ``scores`` are those of the best.
    """

    status: str = 'not run'
    folder: str | None = None
    at: str | None = None
    scores: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)


def find_run(work_dir: Path, config: Path, metrics: dict[str, Metric], best: bool = False) -> Run:
    """The newest run in ``work_dir`` that validated or tested what ``config`` describes.

    A run under the config's name may be of another model, schedule or data set (``--tiny``,
    ``--from-scratch``, ``--cfg-options``): the config that mmengine saved beside its log is
    compared.

    Args:
        work_dir: The folder of all runs of a config.
        config: Its file.
        metrics: What to look for.
        best: Of several validations takes the best by the first metric, and not the last.
    """
    found, recipe = Run(), None
    for saved in sorted(work_dir.glob('*/vis_data/config.py'), reverse=True):
        folder = saved.parents[1]
        evaluations = _evaluations(folder, metrics)
        if not evaluations:
            continue
        recipe = recipe or _recipe(config)
        if _recipe(saved) == recipe:
            return _run(folder, evaluations, metrics, best)
        if found.status == 'not run':
            found = Run('not this config', str(folder))
    return found


def _run(folder: Path, evaluations: list[dict], metrics: dict[str, Metric], best: bool) -> Run:
    last = evaluations[-1]
    scores = _scores(last, metrics)
    if 'step' not in last:
        return Run('run', str(folder), 'tested', scores)
    at = f'validated at step {last["step"]}'
    validations = [logged for logged in evaluations if 'step' in logged]
    if not best or len(validations) == 1:
        return Run('run', str(folder), at, scores)
    key = next(iter(metrics.values())).key
    chosen = max(validations, key=lambda logged: logged.get(key, 0))
    at = f'{at}; best of {len(validations)} at step {chosen["step"]}'
    return Run('run', str(folder), at, _scores(chosen, metrics), scores)


def _scores(logged: dict, metrics: dict[str, Metric]) -> dict[str, float]:
    return {
        name: logged[metric.key] * metric.factor
        for name, metric in metrics.items()
        if metric.key in logged
    }


def _evaluations(folder: Path, metrics: dict[str, Metric]) -> list[dict]:
    """The entries with scores that the run ``folder`` logged."""
    keys = {metric.key for metric in metrics.values()}
    return [logged for logged in _logs(folder) if keys & logged.keys()]


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
