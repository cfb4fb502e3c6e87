"""mmdyup inside Ultralytics: rows of a model's yaml name upsamplers, with no edit of its source.

``import mmdyup`` is all that it takes, before or after Ultralytics, which is not imported here.
docs/yolo.md shows what can be written.
"""

from .patches import install as install
from .rewrite import upsampled
from .rows import register
from .switch import disable, enable

__all__ = ['disable', 'enable', 'register', 'upsampled']
