"""The page: one HTML file that holds its pictures, and a slider over the positions."""

import base64
from dataclasses import dataclass, field
from html import escape
from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure

#: What each figure shows, in a sentence; docs/drawing.md says more.
CAPTIONS = {
    'features': 'The feature as its first three principal components: upsampled to the nearest '
    'pixel, bilinearly, and by this upsampler, in the same colours.',
    'displacement': 'How far from its start every output position samples. A hue is a direction, '
    'white is none.',
    'reach': 'How far from its own position an output position looks on average.',
    'index': 'What the nearest pixel is multiplied by.',
    'gates': 'The share of one of two features: of the guide in FADE and SAPA-G, of what was '
    'sampled in DySample.',
    'scopes': 'What learned offsets are multiplied by.',
}


@dataclass
class Section:
    """What was drawn of one upsampler on one picture.

    Attributes:
        picture: The picture's name.
        name: The upsampler's name in the model.
        about: What it is, and its sizes.
        figures: Files of figures by their names in :data:`CAPTIONS`.
        closeups: The file and the description of each position.
    """

    picture: str
    name: str
    about: str
    figures: dict[str, Path] = field(default_factory=dict)
    closeups: list[tuple[Path, str]] = field(default_factory=list)


def save(figure: Figure, file: Path) -> Path:
    """Writes a figure as PNG."""
    data = BytesIO()
    figure.savefig(data, format='png')
    file.write_bytes(data.getvalue())
    return file


def write_page(file: Path, title: str, about: list[str], sections: list[Section]) -> None:
    """Writes the page.

    Args:
        file: The HTML file.
        title: Its heading.
        about: Lines below that: what was drawn, and by which command.
        sections: What was drawn, in the order of the page.
    """
    places = ''.join(
        f'<li><a href="#s{i}">{escape(section.picture)}: {escape(section.name)}</a></li>'
        for i, section in enumerate(sections)
    )
    body = ''.join(_section(i, section) for i, section in enumerate(sections))
    lines = ''.join(f'<p>{escape(line)}</p>' for line in about)
    file.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{lines}<ul>{places}</ul>'
        f'{body}<script>{_SCRIPT}</script></body></html>\n',
        encoding='utf-8',
    )


def _section(number: int, section: Section) -> str:
    figures = ''.join(
        f'<figure><img alt="{name}" src="{_inside(path)}">'
        f'<figcaption>{escape(CAPTIONS[name])}</figcaption></figure>'
        for name, path in section.figures.items()
    )
    return (
        f'<section id="s{number}"><h2>{escape(section.picture)}: {escape(section.name)}</h2>'
        f'<p>{escape(section.about)}</p>{_slider(number, section.closeups)}{figures}</section>'
    )


def _slider(number: int, closeups: list[tuple[Path, str]]) -> str:
    shown = ''.join(
        f'<figure{"" if i == 0 else " hidden"}><img alt="position {i + 1}" src="{_inside(path)}">'
        f'<figcaption>{i + 1} of {len(closeups)}: {escape(words)}</figcaption></figure>'
        for i, (path, words) in enumerate(closeups)
    )
    return (
        f'<div class="positions"><label>position <input type="range" id="p{number}" min="0" '
        f'max="{len(closeups) - 1}" value="0" autocomplete="off"></label>{shown}</div>'
    )


def _inside(path: Path) -> str:
    return f'data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}'


_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1500px; margin: 2em auto; padding: 0 1em;
  color: #222; background: #fff; }
section { border-top: 1px solid #ccc; margin-top: 2em; }
figure { margin: 1em 0; }
figcaption { color: #555; font-size: 14px; }
img { max-width: 100%; height: auto; }
input[type=range] { width: min(40em, 60vw); vertical-align: middle; }
.positions { background: #f4f4f4; padding: .6em 1em; }
"""
_SCRIPT = """
for (const box of document.querySelectorAll('.positions')) {
  const slider = box.querySelector('input'), figures = box.querySelectorAll('figure');
  const show = () => figures.forEach((figure, i) => { figure.hidden = i != slider.value; });
  slider.addEventListener('input', show);
  show();
}
"""
