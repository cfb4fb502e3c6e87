# UPerNet: mmseg's 160k recipe on ADE20K, with upsamplers in the head's top-down path.
_base_ = 'mmseg::upernet/upernet_r50_4xb4-160k_ade20k-512x512.py'
custom_imports = dict(imports=['mmdyup'], allow_failed_imports=False)
model = dict(decode_head=dict(type='DyUPerHead', upsample_cfg=dict(type='bilinear')))
val_evaluator = dict(type='BoundaryIoU', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
