"""`--show-dir` of a test: a picture for every prediction."""


def save_pictures(cfg, folder: str) -> None:
    """Let a test by the mmengine Config `cfg`, edited in place, draw every picture with its ground
    truth and the prediction into `folder`, an absolute path."""
    hook = cfg.default_hooks.visualization
    hook.draw = True
    if cfg.get('default_scope') == 'mmseg':
        # mmseg's hook leaves the choice of the folder to the visualizer
        hook.interval = 1
        cfg.visualizer.vis_backends = [dict(type='LocalVisBackend', img_save_dir=folder)]
    else:
        hook.test_out_dir = folder
