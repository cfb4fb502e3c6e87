_base_ = './_base_/maskformer_swin_b.py'
upsample_cfg = dict(type='DySample', style='pl', groups=8, dyscope=True)
model = dict(decode_head=dict(upsample_cfg=upsample_cfg))
