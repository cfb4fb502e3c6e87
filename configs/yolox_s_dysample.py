_base_ = 'mmdet::yolox/yolox_s_8xb8-300e_coco.py'
custom_imports = dict(imports=['mmdyup'], allow_failed_imports=False)
model = dict(neck=dict(type='DyYOLOXPAFPN', upsample_cfg=dict(_delete_=True, type='DySample')))
