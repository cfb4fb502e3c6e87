_base_ = './panoptic_fpn_freqfusion.py'
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='torchvision://resnet101')))
