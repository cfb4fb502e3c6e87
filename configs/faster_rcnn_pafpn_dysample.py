_base_ = 'mmdet::pafpn/faster-rcnn_r50_pafpn_1x_coco.py'
custom_imports = dict(imports=['mmdyup'], allow_failed_imports=False)
model = dict(neck=dict(type='DyPAFPN', upsample_cfg=dict(type='DySample')))
