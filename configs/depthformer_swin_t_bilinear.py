_base_ = './_base_/depthformer_swin_t.py'
