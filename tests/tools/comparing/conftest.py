import cv2
import numpy as np
import pytest

pytest.importorskip('mmdet')
from comparing.metrics import find_metric  # noqa: E402
from comparing.pictures import Keeper, Seen  # noqa: E402
from comparing.plan import Plan, Run  # noqa: E402

# box AP of five seeds
SCORES = {
    'nearest': (50.0, 51.0, 49.5, 50.5, 50.2),
    'nearest again': (50.1, 50.9, 49.7, 50.4, 50.2),
    'bilinear': (51.1, 51.9, 50.6, 51.4, 51.4),
    'dysample': (50.6, 50.3, 51.0, 50.1, 51.7),
}


def record(run: Run, score: float, **changes) -> dict:
    """A line as a run leaves it."""
    scores = {'coco/bbox_mAP': score / 100, 'coco/segm_mAP': score / 200}
    whole = dict(
        key=run.key,
        variant=run.variant,
        seed=run.seed,
        metric='coco/bbox_mAP',
        planned=5,
        machine=dict(processor='A processor', cores=2, Python='3.11'),
        versions=dict(torch='2.13'),
        threads=1,
        status='done',
        scores=scores,
        curve=[[10, {'coco/bbox_mAP': score / 200}], [20, scores]],
        losses=[[10, 2.0], [20, 1.0]],
        finite=True,
        seconds=60.0,
        step_seconds=0.2,
        parameters=4_000_000,
        flops=2e9,
        shape=[1, 3, 64, 64],
        resumed=False,
    )
    return whole | changes


@pytest.fixture
def plan(tmp_path):
    """A comparison of three variants with five seeds."""
    runs = tuple(
        Run(f'{name}-{seed}'.replace(' ', '-'), name, seed, '', '')
        for seed in range(5)
        for name in SCORES
    )
    names = ('nearest', 'bilinear', 'dysample')
    metric = find_metric('coco/bbox_mAP')
    return Plan(tmp_path, names, 5, metric, ('nearest', 'bilinear'), runs)


@pytest.fixture
def records(plan):
    """All of its runs, done."""
    return {run.key: record(run, SCORES[run.variant][run.seed]) for run in plan.runs}


@pytest.fixture
def with_pictures(plan):
    """Two pictures of every run: DySample misses the box of the second."""
    picture = np.full((60, 80, 3), 200, np.uint8)
    for name in ('one.png', 'two.png'):
        cv2.imwrite(str(plan.folder / name), picture)
    truth = np.array([[10, 10, 40, 40, 0]], np.float32)
    for run in plan.runs:
        keeper = Keeper()
        misses = run.variant == 'dysample'
        keeper.seen = [
            Seen(str(plan.folder / 'one.png'), truth, truth),
            Seen(str(plan.folder / 'two.png'), truth, truth[:0] if misses else truth),
        ]
        folder = plan.folder / 'runs' / run.key
        folder.mkdir(parents=True)
        keeper.save(folder / 'pictures.npz')


@pytest.fixture
def scores():
    return SCORES


@pytest.fixture
def line():
    return record
