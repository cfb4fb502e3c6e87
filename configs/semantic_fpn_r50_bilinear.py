_base_ = './_base_/semantic_fpn_r50.py'
