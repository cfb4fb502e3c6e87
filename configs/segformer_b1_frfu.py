# The published segmentor's own start: offsets and kernels normal, their masks 0.
_base_ = './_base_/segformer_b1.py'
offset = dict(type='Normal', name='offset', std=0.001)
kernel = dict(type='Normal', name='sample_kernel', std=0.005)
init_cfg = dict(type='Constant', layer='Conv2d', val=0, override=[offset, kernel])
upsample_cfg = dict(type='FRFU', init_cfg=init_cfg)
model = dict(decode_head=dict(type='DySegformerHead', upsample_cfg=upsample_cfg))
