import ast
import copy
import functools
import os

# must be said before torch is loaded: threads that wait spinning crawl where cores are shared
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
# so must how many there are: processes that test side by side share the cores
if 'PYTEST_XDIST_WORKER_COUNT' in os.environ:
    share = (os.cpu_count() or 1) // int(os.environ['PYTEST_XDIST_WORKER_COUNT'])
    os.environ.setdefault('OMP_NUM_THREADS', str(max(share, 1)))

import pytest  # noqa: E402
import torch  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.config import config as config_module  # noqa: E402
from mmengine.config import utils as config_utils  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmengine.visualization import Visualizer  # noqa: E402
from yapf.yapflib import yapf_api  # noqa: E402

# asserts in the contracts tell as much as those in tests
pytest.register_assert_rewrite('mmdyup.testing')

# a test that cannot run here should not exist
DEVICES = ['cpu', *(['cuda'] if torch.cuda.is_available() else [])]


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


@pytest.fixture(autouse=True)
def fixed_seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def fresh_globals():
    """What mmengine holds for the whole process would reach from one framework's tests into the
    other's."""
    DefaultScope._instance_dict.clear()
    # each framework's has a list of its own
    for kind in (Visualizer, *Visualizer.__subclasses__()):
        kind._instance_dict.clear()


@pytest.fixture(autouse=True)
def no_workers_left():
    """Those of one test would keep another waiting."""
    from recipes.processes import workers_ended

    with workers_ended():
        yield


@pytest.fixture(scope='session', autouse=True)
def configs_read_once():
    """Many tests read the same configs and what these inherit from; and mmengine reads a hundred
    YAML files for each one that inherits from another package's."""
    read, known = Config._file2dict, {}

    def read_once(filename, *args, **options):
        path = os.path.abspath(filename)
        file = os.stat(path) if os.path.isfile(path) else None
        key = repr((path, file and (file.st_mtime_ns, file.st_size), args, options))
        if key not in known:
            known[key] = read(filename, *args, **options)
        return copy.deepcopy(known[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Config, '_file2dict', staticmethod(read_once))
        patch.setattr(config_utils, 'load', functools.cache(config_utils.load))
        yield


@pytest.fixture(scope='session', autouse=True)
def configs_parsed_and_not_formatted():
    """A Runner formats its config five times before the first step, which takes as long as a small
    training does; what cannot be formatted cannot be parsed either."""

    def parse(text, **options):
        ast.parse(text)
        return text + '\n', True

    with pytest.MonkeyPatch.context() as patch:
        # the continuation's mmengine imports it when it formats
        patch.setattr(yapf_api, 'FormatCode', parse)
        patch.setattr(config_module, 'FormatCode', parse, raising=False)
        yield


@pytest.fixture(scope='session')
def shapes(tmp_path_factory):
    """A small Shapes data set: four pictures to train on, two to validate on."""
    from shapes import generate_shapes

    return generate_shapes(tmp_path_factory.mktemp('data') / 'shapes', 4, 2, size=128)
