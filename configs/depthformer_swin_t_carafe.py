_base_ = './_base_/depthformer_swin_t.py'
model = dict(decode_head=dict(upsample_cfg=dict(type='CARAFE')))
