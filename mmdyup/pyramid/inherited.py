# What mmdet's own YOLOX configs give to nn.Upsample, and a config that inherits from them still
# has: our necks take it for nearest.
OF_YOLOX = dict(scale_factor=2, mode='nearest')
