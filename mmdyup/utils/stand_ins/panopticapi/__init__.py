"""What mmdet's panoptic data set and metric call of COCO's panopticapi, which is on GitHub alone.

Panoptic quality as in Kirillov et al., Panoptic Segmentation, CVPR 2019.
"""
