_base_ = './_base_/panoptic_fpn_r50.py'
model = dict(neck=dict(upsample_cfg=dict(type='IndexNet')))
