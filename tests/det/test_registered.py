import pytest

pytest.importorskip('mmdet')
from mmdet.registry import MODELS  # noqa: E402

from mmdyup import det  # noqa: E402
from mmdyup.pyramid import DynamicPart  # noqa: E402


@pytest.mark.parametrize('name', det.__all__)
def test_a_config_finds_every_part_by_its_name(name):
    part = MODELS.get(name)
    assert part is getattr(det, name) and issubclass(part, DynamicPart)
