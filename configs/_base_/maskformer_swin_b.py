# MaskFormer with Swin-B as its authors train it on ADE20K (Cheng et al., NeurIPS 2021): not mmseg's
# recipe for Swin, but crops of 640, sixteen short edges, and no weight decay of any norm.
_base_ = 'mmseg::maskformer/maskformer_swin-s_upernet_8xb2-160k_ade20k-512x512.py'
custom_imports = dict(imports=['mmdyup'], allow_failed_imports=False)
weights = 'https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/swin/swin_'
crop_size = (640, 640)
model = dict(
    data_preprocessor=dict(size=crop_size, test_cfg=dict(size_divisor=32)),
    backbone=dict(
        pretrain_img_size=384,
        embed_dims=128,
        num_heads=[4, 8, 16, 32],
        window_size=12,
        init_cfg=dict(
            checkpoint=weights + 'swin_base_patch4_window12_384_22k_20220317-e5c09f74.pth'
        ),
    ),
    decode_head=dict(
        type='DyMaskFormerHead',
        in_channels=[128, 256, 512, 1024],
        upsample_cfg=dict(type='nearest'),
    ),
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(
        type='RandomChoiceResize',
        scales=list(range(320, 1281, 64)),
        resize_type='ResizeShortestEdge',
        max_size=2560,
    ),
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='PhotoMetricDistortion'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(2560, 640), keep_ratio=True),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
no_decay = dict(decay_mult=0.0)
optim_wrapper = dict(
    paramwise_cfg=dict(
        _delete_=True,
        norm_decay_mult=0.0,
        custom_keys=dict(relative_position_bias_table=no_decay, query_embed=no_decay),
    )
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1500),
    dict(type='PolyLR', eta_min=0, power=0.9, by_epoch=False, begin=0, end=160000),
]
val_evaluator = dict(type='BoundaryIoU', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
