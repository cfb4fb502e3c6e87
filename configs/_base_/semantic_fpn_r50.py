# Semantic FPN: mmseg's 160k recipe on ADE20K. Upsamplers stand in the neck and in the head.
_base_ = 'mmseg::sem_fpn/fpn_r50_4xb4-160k_ade20k-512x512.py'
custom_imports = dict(imports=['mmdyup'], allow_failed_imports=False)
model = dict(
    neck=dict(type='DyFPN', upsample_cfg=dict(type='nearest')),
    decode_head=dict(type='DyFPNHead', upsample_cfg=dict(type='bilinear')),
)
val_evaluator = dict(type='BoundaryIoU', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
