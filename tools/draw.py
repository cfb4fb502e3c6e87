"""Draw what upsamplers do on pictures: python tools/draw.py CONFIG [CHECKPOINT] PICTURE...

--help lists the flags, docs/drawing.md says how to read the pictures.
"""

from preamble import command_line, make_folder, one_sentence  # isort: skip  (before all else)

import argparse
from pathlib import Path

from rich.progress import track

from drawing.closeups import describe, draw_closeup
from drawing.facts import Facts, facts_of
from drawing.features import draw_features
from drawing.grid import Grid, choose_positions, grid_of
from drawing.maps import draw_displacements, draw_maps
from drawing.page import Section, save, write_page
from drawing.subjects import (
    Call,
    Picture,
    check_picture,
    is_checkpoint,
    look_at,
    prepare_model,
)
from recipes.cli import add_model_flags, load_config
from recipes.fits import check_checkpoint


def parse_args(argv):
    parser = argparse.ArgumentParser(
        description='Draws what each upsampler of a model does on pictures: PNG files, and one '
        'page, draw.html, that holds them all.'
    )
    add_model_flags(parser)
    parser.add_argument(
        'files',
        nargs='+',
        metavar='FILE',
        help='a checkpoint (.pth), unless the model is to be drawn untrained; then pictures',
    )
    parser.add_argument(
        '--at',
        nargs=2,
        type=float,
        action='append',
        default=[],
        metavar=('X', 'Y'),
        help='a pixel of the pictures whose output positions are drawn too; may be repeated',
    )
    parser.add_argument(
        '--positions',
        type=int,
        default=8,
        metavar='N',
        help='how many output positions are looked for that are moved or reach most (default: 8)',
    )
    parser.add_argument('--out', default='draw', metavar='DIR', help='where all goes (draw)')
    parser.set_defaults(work_dir=None, launcher='none', local_rank=0)
    args = parser.parse_args(argv)
    args.checkpoint = args.files.pop(0) if is_checkpoint(args.files[0]) else None
    return args


def prepare(args):
    if not args.files:
        raise ValueError(f'Give a picture to draw on after the checkpoint {args.checkpoint}.')
    if args.positions < 0 or args.positions + len(args.at) < 1:
        raise ValueError('--positions must be at least 1, or 0 where --at gives some.')
    for file in args.files:
        check_picture(file)
    if args.checkpoint:
        check_checkpoint(args.checkpoint)
    cfg = load_config(args)
    return cfg, prepare_model(cfg, args.checkpoint), make_folder(args.out)


def positions_of(args, facts: Facts, grid: Grid, picture: Picture) -> list[tuple[int, int]]:
    chosen = [grid.at(*picture.seen(x, y)) for x, y in args.at]
    return choose_positions(facts.score(grid.ratio), grid, args.positions, chosen)


def draw_call(args, call: Call, grid: Grid, picture: Picture, folder: Path) -> Section:
    """Draws one upsampler on one picture into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = facts_of(call)
    section = Section(folder.parent.name, call.name, call.about(grid.stride))
    figures = {'features': draw_features(call, facts, grid, picture)}
    if facts.points is not None:
        figures['displacement'] = draw_displacements(facts, grid, picture)
    figures |= draw_maps(facts, grid, picture)
    section.figures = {
        name: save(figure, folder / f'{name}.png') for name, figure in figures.items()
    }
    for i, position in enumerate(positions_of(args, facts, grid, picture), 1):
        figure = draw_closeup(facts, grid, picture, position)
        file = save(figure, folder / f'position_{i}.png')
        section.closeups.append((file, describe(facts, grid, position)))
    return section


def main(argv=None):
    args = parse_args(argv)
    with one_sentence():
        cfg, model, folder = prepare(args)
        looks = [look_at(model, cfg, file) for file in args.files]
        for picture, _ in looks:
            picture.check_pixels(args.at)
        work = [
            (call, grid_of(call, picture), picture, folder / f'{i}_{picture.path.stem}' / call.name)
            for i, (picture, calls) in enumerate(looks, 1)
            for call in calls
        ]
        sections = [
            draw_call(args, *each)
            for each in track(work, 'drawing', transient=True)
            if each[1] is not None
        ]
    weights = f'the weights of {args.checkpoint}' if args.checkpoint else 'untrained weights'
    about = [f'{args.config} with {weights}.', command_line('draw.py', argv)]
    page = folder / 'draw.html'
    write_page(page, f'What the upsamplers of {Path(args.config).stem} do', about, sections)
    for name in sorted({call.name for call, grid, *_ in work if grid is None}):
        print(f'Left out: {name}, whose feature is no map of the picture')
    count = len({section.name for section in sections})
    seen = ', '.join(picture.path.name for picture, _ in looks)
    print(f'Drawn: {count} upsamplers on {seen}')
    print(f'  page      {page}\n  pictures  {folder}/*/*/*.png')


if __name__ == '__main__':
    main()
