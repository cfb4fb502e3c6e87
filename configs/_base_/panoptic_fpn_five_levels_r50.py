# Panoptic FPN on the neck of FPN_CARAFE, whose fifth level joins the top-down path: so the authors
# of some upsamplers train it.
_base_ = './panoptic_fpn_r50.py'
model = dict(data_preprocessor=dict(pad_size_divisor=64), neck=dict(type='DyFPNCARAFE'))
