_base_ = './_base_/faster_rcnn_r50.py'
model = dict(neck=dict(upsample_cfg=dict(type='SAPAI')))
