# SegFormer-B1: mmseg's 160k recipe on ADE20K and its head, scored by boundary IoU too.
# The papers' head is that of SegFormer's own code: decode_head=dict(linear_projections=True).
# As the authors do, pictures to be tested are resized to multiples of 32.
_base_ = 'mmseg::segformer/segformer_mit-b1_8xb2-160k_ade20k-512x512.py'
custom_imports = dict(imports=['mmdyup'], allow_failed_imports=False)
test_pipeline = list(_base_.test_pipeline)
test_pipeline.insert(2, dict(type='ResizeToMultiple', size_divisor=32))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='BoundaryIoU', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
