_base_ = './_base_/libra_rcnn_r50.py'
fpn, bfp = _base_.model.neck
model = dict(neck=[fpn, dict(bfp, upsample_cfg=dict(type='CARAFE'))])
