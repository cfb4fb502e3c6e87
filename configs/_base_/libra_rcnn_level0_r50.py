# Libra R-CNN that gathers all levels at the finest one, where the upsampling reaches 16x. There the
# non-local block would compare 200x336 positions with each other, 18 GB for one picture: refined
# by a convolution, which mmdet has as well.
_base_ = './libra_rcnn_r50.py'
fpn, bfp = _base_.model.neck
model = dict(neck=[fpn, dict(bfp, refine_level=0, refine_type='conv')])
