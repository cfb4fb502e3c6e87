import pytest
import torch

pytest.importorskip('mmseg')
from mmengine.hub import get_config  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402

from recipes.config import train_from_scratch, walk  # noqa: E402
from recipes.tiny_segmentation import shrink_crops, shrink_segmentation  # noqa: E402

SEGFORMER = 'segformer/segformer_mit-b5_8xb2-160k_ade20k-640x640.py'
UPERNET = 'upernet/upernet_r101_4xb4-160k_ade20k-512x512.py'
SWIN = 'swin/swin-base-patch4-window12-in1k-384x384-pre_upernet_8xb2-160k_ade20k-512x512.py'
SEMANTIC_FPN = 'sem_fpn/fpn_r50_4xb2-80k_cityscapes-512x1024.py'
PSPNET = 'pspnet/pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py'


def shrunk(name, scratch=True):
    cfg = get_config(f'mmseg::{name}')
    if scratch:
        train_from_scratch(cfg)
    shrink_segmentation(cfg)
    return cfg


@pytest.mark.slow
@pytest.mark.parametrize('scratch', [True, False])
@pytest.mark.parametrize('name', [SEGFORMER, UPERNET, SWIN, SEMANTIC_FPN, PSPNET])
def test_the_same_architecture_with_channels_that_fit(name, scratch):
    from mmseg.registry import MODELS

    init_default_scope('mmseg')

    def kinds(cfg):
        found = [node['type'] for node in walk(cfg.model) if 'type' in node]
        return ['BN' if kind == 'SyncBN' else kind for kind in found if kind != 'Pretrained']

    cfg = shrunk(name, scratch)
    assert kinds(cfg) == kinds(get_config(f'mmseg::{name}'))
    model = MODELS.build(cfg.model).eval()
    with torch.no_grad():
        features = model.extract_feat(torch.zeros(1, 3, 64, 96))
        heads = [getattr(model, name, None) for name in ('decode_head', 'auxiliary_head')]
        sizes = {head(features).shape[1] for head in filter(None, heads)}
    assert sizes == {cfg.model.decode_head.num_classes}
    assert sum(p.numel() for p in model.parameters()) < (4e6 if scratch else 16e6)


@pytest.mark.parametrize(
    'name, source', [(SEGFORMER, None), (UPERNET, 'open-mmlab://resnet18_v1c')]
)
def test_published_weights_are_those_of_the_small_backbone(name, source):
    cfg = shrunk(name, scratch=False)
    assert not cfg.model.get('pretrained')
    assert (cfg.model.backbone.init_cfg or {}).get('checkpoint') == source
    if source:
        assert cfg.model.backbone.get('base_channels', 64) == 64


@pytest.mark.parametrize(
    'name, crop, scale',
    [
        (SEGFORMER, (256, 256), (819, 256)),
        (SEMANTIC_FPN, (128, 256), (512, 256)),
    ],
)
def test_pictures_shrink_with_the_crops(name, crop, scale):
    """Everything by the same ratio, once, and the same for validation as for training."""
    cfg = shrunk(name)
    train = {step['type']: step for step in cfg.train_dataloader.dataset.pipeline}
    assert train['RandomCrop']['crop_size'] == cfg.model.data_preprocessor['size'] == crop
    assert train['RandomResize']['scale'] == scale
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        resize = next(step for step in loader.dataset.pipeline if step['type'] == 'Resize')
        assert resize['scale'] == scale
        assert loader.batch_size == 1


def test_short_edges_shrink_too():
    cfg = get_config('mmseg::mask2former/mask2former_r50_8xb2-160k_ade20k-512x512.py')
    ratio = 256 / 512
    before = cfg.train_dataloader.dataset.pipeline[2]
    scales, longest = list(before['scales']), before['max_size']
    shrink_crops(cfg)
    after = cfg.train_dataloader.dataset.pipeline[2]
    assert after['scales'] == [int(scale * ratio) for scale in scales]
    assert after['max_size'] == longest * ratio


def test_windows_of_a_slide_shrink_too():
    cfg = get_config('mmseg::upernet/upernet_r50_4xb2-40k_cityscapes-769x769.py')
    shrink_segmentation(cfg)
    assert cfg.model.test_cfg.crop_size == (256, 256)
    assert cfg.model.test_cfg.stride == (170, 170)


@pytest.mark.parametrize(
    'name, words',
    [
        ('ocrnet/ocrnet_hr18_4xb4-80k_ade20k-512x512.py', 'backbone HRNet'),
        ('fastfcn/fastfcn_r50-d32_jpu_psp_4xb4-80k_ade20k-512x512.py', 'neck JPU'),
    ],
)
def test_models_it_does_not_know(name, words):
    with pytest.raises(ValueError, match=f'--tiny cannot shrink the {words}'):
        shrunk(name)


def test_crops_of_unknown_size():
    cfg = get_config(f'mmseg::{PSPNET}')
    cfg.model.data_preprocessor.size = None
    for node in walk(cfg.train_dataloader):
        node.pop('crop_size', None)
    with pytest.raises(ValueError, match='--tiny finds no crop_size'):
        shrink_segmentation(cfg)
