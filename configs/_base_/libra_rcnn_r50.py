# Libra R-CNN: mmdet's 1x recipe on COCO, upsamplers in its balanced feature pyramid.
_base_ = 'mmdet::libra_rcnn/libra-faster-rcnn_r50_fpn_1x_coco.py'
custom_imports = dict(imports=['mmdyup'], allow_failed_imports=False)
fpn, bfp = _base_.model.neck
model = dict(neck=[fpn, dict(bfp, type='DyBFP', upsample_cfg=dict(type='nearest'))])
