# Mask R-CNN as the papers train it: mmdet's 1x recipe on COCO with the neck of FPN_CARAFE.
_base_ = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'
custom_imports = dict(imports=['mmdyup'], allow_failed_imports=False)
model = dict(
    data_preprocessor=dict(pad_size_divisor=64),
    neck=dict(type='DyFPNCARAFE', upsample_cfg=dict(type='nearest')),
)
