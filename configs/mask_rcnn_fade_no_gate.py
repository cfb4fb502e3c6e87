_base_ = './_base_/mask_rcnn_r50.py'
model = dict(neck=dict(upsample_cfg=dict(type='FADE', gate=False)))
