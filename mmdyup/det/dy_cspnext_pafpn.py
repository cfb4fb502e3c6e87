from mmdet.models.necks import CSPNeXtPAFPN
from mmdet.registry import MODELS

from .csp_pafpn import CSPPAFPNMixin


@MODELS.register_module()
class DyCSPNeXtPAFPN(CSPPAFPNMixin, CSPNeXtPAFPN):
    """mmdet's CSPNeXtPAFPN, the neck of RTMDet, with any upsampler in its top-down path.

    The structure of :class:`DyYOLOXPAFPN` with CSPNeXt blocks. It takes the arguments of
    ``mmdet.models.necks.CSPNeXtPAFPN`` and, in the place of the parent's, ``upsample_cfg`` as
    :class:`DyYOLOXPAFPN` does, and raises what that raises. With ``dict(type='nearest')`` it
    takes the parent's state and gives its output.
    """
