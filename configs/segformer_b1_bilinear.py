_base_ = './_base_/segformer_b1.py'
