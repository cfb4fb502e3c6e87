"""Give other people's weights our names: python tools/convert.py CONFIG CHECKPOINT OUT.pth

docs/weights.md lists public checkpoints, and the config that each belongs to.
"""

from preamble import one_sentence  # isort: skip  (before all else)

import argparse
from pathlib import Path

import torch

from conversion.reading import read_weights
from conversion.renaming import Renaming, rename
from recipes.cli import add_model_flags, load_config
from recipes.fits import check_fits
from recipes.model import build_model


def parse_args(argv):
    parser = argparse.ArgumentParser(
        description="Converts a checkpoint of an upsampler's authors, or of an older mmdet or "
        'mmseg, into one that loads strictly into a config here.'
    )
    add_model_flags(parser)
    parser.add_argument('checkpoint', help='the checkpoint of others; its weights alone are read')
    parser.add_argument('out', metavar='OUT.pth', help='the file to write')
    parser.set_defaults(work_dir=None, launcher='none', local_rank=0)
    return parser.parse_args(argv)


def convert(args) -> tuple[dict, Renaming]:
    """What is to be written, and what became of the names.

    Raises:
        FileNotFoundError: The config or the checkpoint is missing.
        ValueError: The checkpoint asks for more than weights, or is not one of this model.
    """
    state, meta = read_weights(args.checkpoint)
    cfg = load_config(args)
    model = build_model(cfg)
    renaming = rename(state, set(model.state_dict()))
    if 'decode_head.linear_pred.weight' in state and not cfg.model.decode_head.get(
        'linear_projections'
    ):
        raise ValueError(
            f"{args.checkpoint} has the head of SegFormer's own code: add --cfg-options "
            'model.decode_head.linear_projections=True.'
        )
    check_fits(model, cfg, args.checkpoint, dict(state_dict=renaming.state))
    # after the model's own renaming of old names
    model.load_state_dict(renaming.state)
    kept = dict(source=Path(args.checkpoint).name)
    if 'CLASSES' in meta:  # as mmdet 2 and mmseg 0 tell them
        kept['dataset_meta'] = dict(classes=meta['CLASSES'], palette=meta.get('PALETTE'))
    elif 'dataset_meta' in meta:
        kept['dataset_meta'] = meta['dataset_meta']
    return dict(state_dict=model.state_dict(), meta=kept), renaming


def tell(renaming: Renaming) -> list[str]:
    """Lines on what went where and what was left."""
    moved = {new for pairs in renaming.moved.values() for _, new in pairs}
    lines = [f'{len(renaming.state.keys() - moved)} tensors keep their names']
    for rule, pairs in renaming.moved.items():
        old, new = pairs[0]
        lines.append(f'{len(pairs)} renamed ({rule}), such as {old} to {new}')
    for name, why in renaming.left.items():
        lines.append(f'left out: {name}, {why}')
    return lines


def main(argv=None):
    args = parse_args(argv)
    with one_sentence():
        if Path(args.out).suffix != '.pth':
            raise ValueError(f'{args.out}: give a name that ends in .pth for the file to write.')
        if not Path(args.out).absolute().parent.is_dir():
            raise ValueError(f'There is no folder for {args.out}: make it, or give another one.')
        checkpoint, renaming = convert(args)
    torch.save(checkpoint, args.out)
    print('\n'.join(tell(renaming)))
    print(f'Written to {args.out}; test it with: python tools/test.py {args.config} {args.out}')


if __name__ == '__main__':
    main()
