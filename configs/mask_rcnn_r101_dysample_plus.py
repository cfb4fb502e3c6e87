_base_ = './_base_/mask_rcnn_r101.py'
model = dict(neck=dict(upsample_cfg=dict(type='DySample', dyscope=True)))
