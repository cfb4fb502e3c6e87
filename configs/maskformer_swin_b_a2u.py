_base_ = './_base_/maskformer_swin_b.py'
model = dict(decode_head=dict(upsample_cfg=dict(type='A2U')))
