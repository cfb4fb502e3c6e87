_base_ = './maskformer_swin_b.py'
weights = _base_.weights
model = dict(
    backbone=dict(
        embed_dims=192,
        num_heads=[6, 12, 24, 48],
        init_cfg=dict(checkpoint=weights + 'large_patch4_window12_384_22k_20220412-6580f57d.pth'),
    ),
    decode_head=dict(in_channels=[192, 384, 768, 1536]),
)
