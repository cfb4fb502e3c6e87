# Panoptic FPN as the papers train it: mmdet's 1x recipe on COCO, dynamic upsamplers in its FPN.
_base_ = 'mmdet::panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py'
custom_imports = dict(imports=['mmdyup'], allow_failed_imports=False)
model = dict(
    neck=dict(type='DyFPN', upsample_cfg=dict(type='nearest')),
    semantic_head=dict(type='DyPanopticFPNHead'),
)
