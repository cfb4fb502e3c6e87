"""`--from-scratch`: a config that loads no weights anywhere."""

from .walk import walk


def train_from_scratch(cfg) -> None:
    """Edit the mmengine Config `cfg` in place so that every layer starts from its random
    initialization and learns: no pretrained weights, nothing frozen, batch statistics in use."""
    for node in walk(cfg.model):
        if is_pretrained(node.get('init_cfg')):
            node['init_cfg'] = None
        if node.get('pretrained'):
            node['pretrained'] = None
        if 'frozen_stages' in node:
            node['frozen_stages'] = -1
        if 'norm_eval' in node:
            node['norm_eval'] = False
        # backbones converted from Caffe have their batch norm's weights frozen
        if node.get('requires_grad') is False:
            node['requires_grad'] = True
    cfg.load_from = None


def is_pretrained(init_cfg) -> bool:
    """Whether an `init_cfg` loads weights from somewhere."""
    return any(node.get('type') == 'Pretrained' for node in walk(init_cfg))
