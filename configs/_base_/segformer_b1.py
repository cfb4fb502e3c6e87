# SegFormer-B1 as the papers train it: mmseg's 160k recipe on ADE20K, scored by boundary IoU too.
_base_ = 'mmseg::segformer/segformer_mit-b1_8xb2-160k_ade20k-512x512.py'
custom_imports = dict(imports=['mmdyup'], allow_failed_imports=False)
val_evaluator = dict(type='BoundaryIoU', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
