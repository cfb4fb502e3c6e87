_base_ = ['./_base_/faster_rcnn_r50.py', './_base_/freqfusion.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
