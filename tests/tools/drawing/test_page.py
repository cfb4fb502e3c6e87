"""The page holds its pictures and needs nothing else; its sliders move in a browser."""

import base64
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

from drawing.page import Section, save, write_page

CHROMIUM = next(
    filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None
)


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def of(self, tag):
        return [attrs for name, attrs in self.found if name == tag]


@pytest.fixture
def page(tmp_path):
    """Two sections, of three positions and of one."""

    def picture(name):
        figure = Figure((0.4, 0.3))
        figure.text(0, 0, name)
        return save(figure, tmp_path / f'{name}.png')

    sections = [
        Section(
            '1_<cells>',
            f'neck.up.{n}',
            'DySample(in_channels=64)',
            {'features': picture(f'f{n}'), 'displacement': picture(f'd{n}')},
            [(picture(f'p{n}{i}'), f'row {i}') for i in range(count)],
        )
        for n, count in enumerate((3, 1))
    ]
    file = tmp_path / 'draw.html'
    write_page(file, 'What it does', ['python tools/draw.py "a" <b>'], sections)
    return file


def test_what_stands_in_the_page(page, tmp_path):
    text = page.read_text()
    elements = Elements(text)
    kept = {base64.b64decode(img['src'].split(',')[1]) for img in elements.of('img')}
    assert kept == {file.read_bytes() for file in tmp_path.glob('*.png')} and len(kept) == 8
    assert [(s['min'], s['max']) for s in elements.of('input')] == [('0', '2'), ('0', '0')]
    assert [s['id'] for s in elements.of('section')] == ['s0', 's1']
    assert [a['href'] for a in elements.of('a')] == ['#s0', '#s1']
    # one position is seen at first
    assert sum('hidden' in figure for figure in elements.of('figure')) == 2
    assert '1_&lt;cells&gt;: neck.up.0' in text and 'tools/draw.py &quot;a&quot; &lt;b&gt;' in text


def test_the_page_asks_for_nothing_else(page):
    elements = Elements(page.read_text())
    assert all(img['src'].startswith('data:image/png;base64,') for img in elements.of('img'))
    assert not elements.of('link') and not any(s.get('src') for s in elements.of('script'))
    assert 'http' not in re.sub(r'base64,[^"]*', '', page.read_text())


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason='there is no Chromium (apt install chromium)')
def test_a_slider_shows_its_position(page, tmp_path):
    drive = """<script>
    const slider = document.querySelector('#p0');
    slider.value = 2;
    slider.dispatchEvent(new Event('input'));
    </script>"""
    driven = tmp_path / 'driven.html'
    driven.write_text(page.read_text().replace('</body>', f'{drive}</body>'))

    def seen(file):
        arguments = ['--headless', '--no-sandbox', '--disable-gpu', '--dump-dom', file.as_uri()]
        dom = subprocess.run(
            [CHROMIUM, *arguments], capture_output=True, text=True, timeout=120, check=True
        ).stdout
        return [
            'hidden' not in figure
            for figure, img in zip(Elements(dom).of('figure'), Elements(dom).of('img'), strict=True)
            if img['alt'].startswith('position')
        ]

    # those of the first section, then the one of the second
    assert seen(page) == [True, False, False, True]
    assert seen(driven) == [False, False, True, True]
