_base_ = './_base_/segformer_b1.py'
upsample_cfg = dict(type='FADE', gate=False)
model = dict(decode_head=dict(type='DySegformerHead', upsample_cfg=upsample_cfg))
