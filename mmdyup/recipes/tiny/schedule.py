"""A short schedule, counted in steps so that it takes as long on a small folder as on a large."""

from mmengine.config import ConfigDict

from .pictures import BATCH_SIZE

STEPS = 500
WARM_UP = 40
LEARNING_RATE = 1e-3


def shorten_schedule(cfg) -> None:
    """Give the mmengine Config `cfg`, edited in place, `STEPS` steps of AdamW: the rate rises over
    the first `WARM_UP` steps and falls along a cosine to the last, where the model is validated."""
    cfg.train_cfg = ConfigDict(type='IterBasedTrainLoop', max_iters=STEPS, val_interval=STEPS)
    cfg.optim_wrapper = ConfigDict(
        type='OptimWrapper',
        optimizer=dict(type='AdamW', lr=LEARNING_RATE, weight_decay=0.05),
        clip_grad=dict(max_norm=10, norm_type=2),
    )
    cfg.param_scheduler = [
        ConfigDict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=WARM_UP),
        ConfigDict(
            type='CosineAnnealingLR',
            eta_min_ratio=0.01,
            by_epoch=False,
            begin=WARM_UP,
            end=STEPS,
            T_max=STEPS - WARM_UP,
        ),
    ]
    cfg.auto_scale_lr = ConfigDict(enable=False, base_batch_size=BATCH_SIZE)
    cfg.log_processor = ConfigDict(type='LogProcessor', window_size=50, by_epoch=False)
    cfg.default_hooks.logger = ConfigDict(type='LoggerHook', interval=50)
    cfg.default_hooks.checkpoint = ConfigDict(
        type='CheckpointHook', by_epoch=False, interval=200, max_keep_ckpts=2
    )
    # hooks that wait for an epoch (to stop mosaics, say) would act at once or never
    cfg.custom_hooks = [
        hook for hook in cfg.get('custom_hooks') or [] if not any('epoch' in key for key in hook)
    ]


def follow_length(cfg) -> None:
    """After a change of train_cfg.max_iters in `cfg`, edited in place, let the rate fall to its
    end and the model be validated there too."""
    steps = cfg.train_cfg.max_iters
    cosine = cfg.param_scheduler[-1]
    if steps != STEPS and cosine.get('end') == STEPS:
        begin = min(WARM_UP, steps // 2)
        cfg.param_scheduler[0].end = begin
        cosine.update(begin=begin, end=steps, T_max=steps - begin)
        cfg.train_cfg.val_interval = min(cfg.train_cfg.val_interval, steps)
