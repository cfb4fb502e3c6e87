_base_ = './_base_/upernet_r50.py'
model = dict(decode_head=dict(upsample_cfg=dict(type='SAPAD')))
