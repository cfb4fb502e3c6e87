# The published detector started from its neck's Xavier initialization.
_base_ = './_base_/mask_rcnn_r50.py'
init_cfg = dict(type='Xavier', layer='Conv2d', distribution='uniform')
model = dict(neck=dict(upsample_cfg=dict(type='FRFU', init_cfg=init_cfg)))
