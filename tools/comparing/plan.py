"""Which runs a comparison consists of, in which order, and what each is known by."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from papers.cli import versions
from recipes.config import leaf_datasets, map_datasets
from recipes.data.maps import DEPTHS, LABELS

from .metrics import Metric
from .variants import AGAIN, Variant

#: How many seeds have the first control a second time.
SEEDS_AGAIN = 3
#: How often a training is validated, for its curve.
VALIDATIONS = 4


@dataclass(frozen=True)
class Run:
    """One training.

    Args:
        key: A digest of all that its result depends on.
        variant: The name of what is trained.
        seed: What it is drawn by.
        config: The file of its config.
        start: The file of the config whose first weights it takes.
        disturbed: Disturbs these weights by a millionth.
        cache: Where the features of a frozen backbone are kept, if they are.
    """

    key: str
    variant: str
    seed: int
    config: str
    start: str
    disturbed: bool = False
    cache: str | None = None


@dataclass(frozen=True)
class Plan:
    """A comparison.

    Args:
        folder: Where all of it lies.
        variants: What is compared, by name, the controls first.
        seeds: How many seeds each is trained with.
        metric: The score that was named beforehand.
        baselines: The variants that the others are compared with.
        runs: The trainings, seeds outside and variants inside, so that whoever stops has pairs.
        processes: How many train a run together, each with a batch of the config.
    """

    folder: Path
    variants: tuple[str, ...]
    seeds: int
    metric: Metric
    baselines: tuple[str, ...]
    runs: tuple[Run, ...]
    processes: int = 1


def make_plan(
    folder: Path,
    variants: list[Variant],
    start: Variant,
    seeds: int,
    metric: Metric,
    baselines: tuple[str, ...],
    cache: bool,
    processes: int = 1,
) -> Plan:
    """Writes the configs of all variants to ``folder``, and plans their runs.

    Args:
        folder: An existing folder.
        variants: The first is trained a second time, for what a pair differs by without reason.
        start: What every run's first weights are those of; it need not be among them.
        seeds: From 0 on.
        metric: The primary one.
        baselines: Of the variants' names.
        cache: Keeps the features of frozen backbones.
        processes: How many train a run together.
    """
    configs = folder / 'configs'
    configs.mkdir(exist_ok=True)
    for variant in (start, *variants):
        # another call may be reading it
        part = configs / f'part_{os.getpid()}.py'
        variant.cfg.dump(str(part))
        part.replace(configs / f'{variant.name}.py')
    about = [digest(start.cfg), conditions(), data_digest(start.cfg), cache]
    if processes > 1:  # a step is of as many batches
        about.append(processes)
    digests = {variant.name: digest(variant.cfg) for variant in variants}
    runs = []
    for seed in range(seeds):
        for name, of, disturbed in _order(variants, seed):
            facts = json.dumps([digests[of], *about, seed, disturbed])
            runs.append(
                Run(
                    hashlib.sha256(facts.encode()).hexdigest()[:16],
                    name,
                    seed,
                    str(configs / f'{of}.py'),
                    str(configs / f'{start.name}.py'),
                    disturbed,
                    str(folder / 'features') if cache else None,
                )
            )
    names = tuple(variant.name for variant in variants)
    return Plan(folder, names, seeds, metric, baselines, tuple(runs), processes)


def _order(variants: list[Variant], seed: int) -> Iterator[tuple[str, str, bool]]:
    """The runs of a seed: name, the variant that is trained, whether its start is disturbed."""
    first, *others = [variant.name for variant in variants]
    yield first, first, False
    if seed < SEEDS_AGAIN:
        yield first + AGAIN, first, True
    for name in others:
        yield name, name, False


def validate_often(cfg) -> None:
    """Lets the mmengine Config ``cfg``, edited in place, validate at least ``VALIDATIONS`` times in
    a training."""
    loop = cfg.train_cfg
    length = loop.get('max_iters') or loop.get('max_epochs')
    if length:
        loop.val_interval = max(1, min(loop.get('val_interval', 1), length // VALIDATIONS))


def conditions() -> dict:
    """What else numbers depend on: versions and threads."""
    return dict(versions=versions(), threads=torch.get_num_threads())


def digest(cfg) -> str:
    """What identifies a resolved config, wherever its results go."""
    settings = cfg.to_dict()
    settings.pop('work_dir', None)
    text = json.dumps(settings, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def data_digest(cfg) -> str:
    """What identifies the pictures and annotations that a config trains and validates on: the
    contents of files, and names and sizes of what lies in folders."""
    found = hashlib.sha256()
    for split in ('train', 'val'):
        loader = cfg.get(f'{split}_dataloader')
        maps = [found for kind in (LABELS, DEPTHS) for found in map_datasets(loader, kind.key)]
        for dataset in leaf_datasets(loader) or maps:
            root = Path(dataset.get('data_root') or '')
            for path in [dataset.get('ann_file'), *(dataset.get('data_prefix') or {}).values()]:
                if path:
                    found.update(_content(root / path))
    return found.hexdigest()


def _content(path: Path) -> bytes:
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).digest()
    sizes = sorted(
        (os.path.relpath(os.path.join(folder, name), path), (Path(folder) / name).stat().st_size)
        for folder, _, names in os.walk(path)
        for name in names
    )
    return json.dumps(sizes).encode()
