"""What the tests in Ultralytics share; they run without OpenMMLab's packages too."""

import atexit
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# where Ultralytics keeps its settings, and that it fetches nothing; read when it is imported
_SETTINGS = tempfile.mkdtemp(prefix='mmdyup-')
atexit.register(shutil.rmtree, _SETTINGS, ignore_errors=True)
os.environ |= dict(YOLO_CONFIG_DIR=_SETTINGS, YOLO_OFFLINE='true', YOLO_AUTOINSTALL='false')

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

# Ultralytics sets variables of the whole process, and how numbers are printed; the tests of other
# folders, which run in it too, must not see that.
_KEPT = dict(os.environ), np.get_printoptions()
_THREADS = torch.get_num_threads()
with contextlib.suppress(ImportError):
    import ultralytics.utils  # noqa: F401
os.environ.clear()
os.environ.update(_KEPT[0])
np.set_printoptions(**_KEPT[1])
torch.set_printoptions(profile='default')

ROOT = Path(__file__).parents[2]
# OpenMMLab's packages take seconds to import, and nothing here needs them
_ALONE = (
    'import sys\nfor name in ("mmengine", "mmcv", "mmdet", "mmseg"): sys.modules[name] = None\n'
)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """What a test writes where the user stands lies in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def threads_of_other_tests():
    """Training, on a CPU, leaves the whole process fewer of them, and sums in another order."""
    yield
    torch.set_num_threads(_THREADS)
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope='session')
def stock():
    """The stem of a small stock model that this version of Ultralytics has."""
    from ultralytics.utils.checks import check_yaml

    return 'yolo11n' if check_yaml('yolo11.yaml', hard=False) else 'yolov8n'


@pytest.fixture(scope='session')
def data(tmp_path_factory):
    """A data set of grey squares: eight pictures to train on, four to validate on."""
    folder = tmp_path_factory.mktemp('squares')
    rng = np.random.default_rng(0)
    for split, count in (('train', 8), ('val', 4)):
        for kind in ('images', 'labels'):
            (folder / kind / split).mkdir(parents=True)
        for k in range(count):
            x, y, size = rng.integers(8, 32, 3)
            picture = np.zeros((64, 64, 3), np.uint8)
            picture[y : y + size, x : x + size] = 200
            cv2.imwrite(str(folder / f'images/{split}/{k}.png'), picture)
            box = ' '.join(str(v / 64) for v in (x + size / 2, y + size / 2, size, size))
            (folder / f'labels/{split}/{k}.txt').write_text(f'0 {box}\n')
    file = folder / 'squares.yaml'
    file.write_text(f'path: {folder}\ntrain: images/train\nval: images/val\nnames: [square]\n')
    return str(file)


@pytest.fixture
def run_python():
    """A function that runs code in a new Python, without OpenMMLab's packages."""

    def run(code, *args):
        done = subprocess.run(
            [sys.executable, '-c', _ALONE + code, *map(str, args)],
            env=os.environ | dict(PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
