_base_ = './_base_/depthformer_swin_t.py'
upsample_cfg = dict(type='DySample', style='pl', groups=8)
model = dict(decode_head=dict(upsample_cfg=upsample_cfg))
