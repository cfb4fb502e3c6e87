"""The tables as they were printed, from the JSON files in ``tables/``."""

import json
from dataclasses import dataclass, field
from pathlib import Path

_FOLDER = Path(__file__).parent / 'tables'

NAMES = (
    'one_operator',
    'faster_rcnn',
    'dlu',
    'mask_rcnn',
    'panoptic_fpn',
    'libra_rcnn',
    'segformer_b1',
    'upernet_r50',
    'maskformer',
    'depthformer',
)


@dataclass(frozen=True)
class Metric:
    """A column of scores.

    Args:
        key: The score's name in the logs of a run.
        factor: What makes the logged score a percentage.
        decimals: Those printed.
    """

    key: str
    factor: float
    decimals: int


@dataclass(frozen=True)
class Note:
    """What is known of an entry that cannot come out as printed.

    Args:
        comes_out: What does come out, written like a printed entry.
        why: The reason.
    """

    comes_out: str
    why: str


@dataclass(frozen=True)
class Row:
    """One line of a table; its entries are the printed text, such as '46.8M' or '+32.7K'.

    Args:
        name: The stem of its config file, or what the command line calls it.
        label: What stands at its head.
        baseline: The name of the row to which signed entries refer.
        config: Whether there is a config file for it.
        operator: In place of a config, the ``type``, ``in_channels`` and ``scale_factor`` of an
            upsampler by itself.
        params: Parameters.
        flops: FLOPs.
        scores: Accuracy by metric.
        notes: On 'params' or 'flops' where it is known that they cannot come out as printed.
    """

    name: str
    label: str
    baseline: str | None = None
    config: bool = True
    operator: dict | None = None
    params: str | None = None
    flops: str | None = None
    scores: dict[str, str] = field(default_factory=dict)
    notes: dict[str, Note] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """One published table.

    Args:
        title: Model, data set and schedule.
        source: The publications.
        conventions: What their numbers count.
        framework: The package that its configs need, 'mmdet' or 'mmseg'.
        picture: Height and width at which FLOPs are counted; those of the feature where the rows
            are operators.
        metrics: The columns of scores.
        rows: In the printed order.
        best: Whether a row's scores are those of the best validation of a run, by the first metric,
            and not of the last.
        remarks: Sentences on the scores.
    """

    name: str
    title: str
    source: str
    conventions: str
    framework: str | None
    picture: tuple[int, int]
    metrics: dict[str, Metric]
    rows: tuple[Row, ...]
    best: bool = False
    remarks: list[str] = field(default_factory=list)

    def row(self, name: str) -> Row:
        return next(row for row in self.rows if row.name == name)


def load_table(name: str) -> Table:
    """The table ``name``, one of ``NAMES``."""
    data = json.loads((_FOLDER / f'{name}.json').read_text(encoding='utf-8'))
    metrics = {column: Metric(**metric) for column, metric in data.pop('metrics').items()}
    rows = tuple(_row(**row) for row in data.pop('rows'))
    return Table(name, picture=tuple(data.pop('picture')), metrics=metrics, rows=rows, **data)


def _row(notes: dict[str, dict] | None = None, **entries) -> Row:
    return Row(notes={kind: Note(**note) for kind, note in (notes or {}).items()}, **entries)
