# The authors' panoptic detectors do not normalize the features that make the offsets.
_base_ = ['./_base_/panoptic_fpn_five_levels_r50.py', './_base_/freqfusion.py']
model = dict(neck=dict(upsample_cfg=dict(_base_.upsample_cfg, norm_features=False)))
