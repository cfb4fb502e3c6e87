# The start of the published detectors: Xavier, but for the encoders.
encoders = [
    dict(type='Normal', name=name, std=0.001) for name in ('content_encoder', 'content_encoder2')
]
init_cfg = dict(type='Xavier', layer='Conv2d', distribution='uniform', override=encoders)
upsample_cfg = dict(type='FreqFusion', init_cfg=init_cfg)
