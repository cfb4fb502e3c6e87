"""The page, in a browser: Debian's chromium, without a network."""

import re
import shutil
import subprocess

import pytest

from comparing.findings import find
from comparing.report import facts_of, write

BROWSER = shutil.which('chromium')


@pytest.fixture
def written(plan, records, with_pictures):
    write(plan, find(plan, records), facts_of(plan, records, 'python tools/compare.py <c.py>'))
    return plan.folder / 'compare.html'


def test_one_file_that_asks_for_nothing(written):
    text = written.read_text()
    assert not re.search(r'(src|href)="(?!data:)|https?://|<script|@import|url\(', text)
    assert '&lt;c.py&gt;' in text and '<c.py>' not in text


@pytest.mark.slow
@pytest.mark.skipif(not BROWSER, reason='chromium is not installed: apt install chromium')
def test_in_a_browser(written, tmp_path):
    def browse(*flags):
        command = [
            *(BROWSER, '--headless', '--no-sandbox', '--disable-gpu', '--window-size=1200,3000'),
            *(f'--user-data-dir={tmp_path}/profile', *flags, written.as_uri()),
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)

    page = browse('--dump-dom').stdout
    # a dot for every run of three variants with five seeds, and one a difference and the floor
    assert page.count('<circle class="run"') == 15
    assert page.count('<circle class="difference"') == 4
    assert page.count('<g class="curve"') == 6
    assert 'dysample, seed 2: 51' in page
    # the two pictures as the truth and three variants have them, the one that differs first
    assert page.count('<img ') == 8
    assert page.index('two.png') < page.index('one.png')

    browse(f'--screenshot={tmp_path}/page.png')
    import cv2

    picture = cv2.imread(str(tmp_path / 'page.png'))
    assert picture.shape[1] == 1200 and picture.std() > 10
