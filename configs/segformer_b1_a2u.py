_base_ = './_base_/segformer_b1.py'
model = dict(decode_head=dict(type='DySegformerHead', upsample_cfg=dict(type='A2U')))
