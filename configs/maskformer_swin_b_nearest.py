_base_ = './_base_/maskformer_swin_b.py'
