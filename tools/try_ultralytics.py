"""Train small models of Ultralytics with several upsamplers and seeds; a table of what they reach.

    python tools/try_ultralytics.py DATA.yaml [--epochs N] [--imgsz N] [--seeds N] [--model YAML]

Seeds are the outer loop, and a finished run is not run again, so that it can be stopped and gone on
with. Everything lies in work_dirs/ultralytics. All models start from scratch.
"""

import argparse
import json
import os
import statistics
from pathlib import Path

import torch
from ultralytics import YOLO

from mmdyup.ultralytics import upsampled

FOLDER = Path('work_dirs', 'ultralytics').resolve()
# Rows of the table: a name, and what upsampled() takes; None is the stock model.
ROWS = {
    'stock': None,
    'DySample': dict(name='DySample'),
    'DySample, learnable scope': dict(name='DySample', learnable_scope=True),
    'DySample, content encoder': dict(name='DySample', content_encoder=True),
    'DySample, gate': dict(name='DySample', gate=True),
    'DLU': dict(name='DLU'),
}


def train(row: str, seed: int, args: argparse.Namespace) -> dict:
    """Trains and validates a model, unless that was done before; its box mAPs and parameters."""
    options = ROWS[row]
    model = args.model if options is None else upsampled(args.model, **options)
    name = f'{Path(model).stem}-{args.imgsz}-{args.epochs}-{seed}'
    done = FOLDER / f'{name}.json'
    if done.exists():
        return json.loads(done.read_text())
    yolo = YOLO(model)
    box = yolo.train(
        data=args.data,
        imgsz=args.imgsz,
        epochs=args.epochs,
        seed=seed,
        batch=args.batch,
        optimizer='AdamW',
        lr0=args.lr,
        mosaic=0.0,
        cache=True,
        val=False,
        pretrained=False,
        project=str(FOLDER),
        name=name,
        exist_ok=True,
        workers=0,
        plots=False,
        verbose=False,
    ).box
    result = dict(map=box.map, map50=box.map50, parameters=count(yolo.model))
    done.write_text(json.dumps(result))
    return result


def count(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def table(results: dict[str, list[dict]]) -> list[str]:
    """Lines of a table in Markdown: means, standard deviations and every run's mAP50."""
    head = ('model', 'parameters', 'mAP50', 'mAP50-95', 'mAP50 of each seed')
    lines = [f'| {" | ".join(head)} |', '|---' * len(head) + '|']
    for row, runs in results.items():
        cells = [row, f'{runs[0]["parameters"]:,}']
        for key in ('map50', 'map'):
            values = [run[key] for run in runs]
            deviation = f' ± {statistics.stdev(values):.3f}' if len(values) > 1 else ''
            cells.append(f'{statistics.mean(values):.3f}{deviation}')
        cells.append(', '.join(f'{run["map50"]:.3f}' for run in runs))
        lines.append(f'| {" | ".join(cells)} |')
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('data')
    parser.add_argument('--model', default='yolo11n.yaml')
    parser.add_argument('--epochs', type=int, default=40)
    parser.add_argument('--imgsz', type=int, default=160)
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--lr', type=float, default=0.002)
    parser.add_argument('--seeds', type=int, default=3)
    args = parser.parse_args()
    args.data = str(Path(args.data).resolve())
    FOLDER.mkdir(parents=True, exist_ok=True)
    os.chdir(FOLDER)  # where upsampled() writes
    results = {row: [] for row in ROWS}
    for seed in range(args.seeds):
        for row in ROWS:
            results[row].append(train(row, seed, args))
    lines = table(results)
    print('\n'.join(lines))


if __name__ == '__main__':
    main()
