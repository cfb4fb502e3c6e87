_base_ = './_base_/semantic_fpn_r50.py'
upsample_cfg = dict(type='CARAFE')
model = dict(neck=dict(upsample_cfg=upsample_cfg), decode_head=dict(upsample_cfg=upsample_cfg))
