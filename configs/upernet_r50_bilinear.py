_base_ = './_base_/upernet_r50.py'
