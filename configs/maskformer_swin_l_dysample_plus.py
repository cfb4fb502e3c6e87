_base_ = './_base_/maskformer_swin_l.py'
model = dict(decode_head=dict(upsample_cfg=dict(type='DySample', dyscope=True)))
