"""How many stock configs upsample, and how many of these have parts of ours."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

import mmdyup

from .rewrite import from_scratch, rewrite, stock_configs, unserved


@dataclass
class Stock:
    """A stock config, and what of ours stands in it.

    Attributes:
        family: Its folder.
        path: Its file.
        model: Its ``model`` as our lines leave it.
        nodes: The scope and config of each part in it.
        unserved: What in it upsamples and has no part.
        reason: Why it cannot be read, or a part not be built.
    """

    family: str
    path: Path
    model: dict = field(default_factory=dict)
    nodes: list[tuple[str, dict]] = field(default_factory=list)
    unserved: set[str] = field(default_factory=set)
    reason: str = ''

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(sorted({node['type'].rpartition('.')[2] for _, node in self.nodes}))

    @property
    def upsamples(self) -> bool:
        return bool(self.nodes or self.unserved)

    @property
    def reached(self) -> bool:
        return bool(self.nodes) and not self.reason


def read(framework: str, upsample_cfg: dict, families: list[str]) -> Iterator[Stock]:
    """Every stock config of a framework that holds a model, or that cannot be read."""
    for family, path in stock_configs(framework):
        if families and family not in families:
            continue
        stock = Stock(family, path)
        try:
            stock.model = Config.fromfile(path).get('model')
        except Exception as error:  # whatever a config's own imports raise
            stock.reason = _one_line(error)
            yield stock
            continue
        if stock.model is not None:
            stock.nodes = rewrite(stock.model, framework, upsample_cfg)
            stock.unserved = unserved(stock.model, framework)
            yield stock


def build_parts(stocks: list[Stock]) -> None:
    """Builds every part alone, on the meta device, and notes what cannot be built.

    What stands in several configs alike is built once.
    """
    built = {}
    for stock in stocks:
        for scope, node in stock.nodes:
            key = repr((scope, node))
            if key not in built:
                built[key] = _build(scope, node)
            stock.reason = stock.reason or built[key]


def _build(scope: str, node: dict) -> str:
    try:
        with DefaultScope.overwrite_default_scope(scope), torch.device('meta'):
            part = MODELS.build(_standing_alone(node))
    except Exception as error:  # a parent's own mistakes are of any kind
        return f'{node["type"]}: {_one_line(error)}'
    if any(isinstance(module, mmdyup.Upsampler) for module in part.modules()):
        return ''
    return f'{node["type"]} has no upsampler'


def _standing_alone(node: dict) -> dict:
    """The node without what the model around it would set."""
    # heads build assigners from it, which need nothing of ours
    settings = ('train_cfg', 'test_cfg')
    return from_scratch({name: x for name, x in node.items() if name not in settings})


def _one_line(error: Exception) -> str:
    return ' '.join(f'{type(error).__name__}: {error}'.split())[:160]


def table(stocks: list[Stock]) -> str:
    """A row a family: its configs, those that upsample, those with parts of ours, and the parts."""
    lines = [
        '| family | configs | upsample | reached | parts |',
        '|---|---|---|---|---|',
    ]
    for family in dict.fromkeys(stock.family for stock in stocks):
        own = [stock for stock in stocks if stock.family == family and stock.model]
        parts = sorted({part for stock in own for part in stock.parts})
        counts = (len(own), sum(s.upsamples for s in own), sum(s.reached for s in own))
        if own:
            lines.append(f'| {family} | {" | ".join(map(str, counts))} | {", ".join(parts)} |')
    return '\n'.join(lines)


def summary(framework: str, stocks: list[Stock]) -> str:
    """What a framework's table comes to, and what is missing in it, with the reasons."""
    own = [stock for stock in stocks if stock.model]
    upsampling = [stock for stock in own if stock.upsamples]
    reached = [stock for stock in own if stock.reached]
    share = len(reached) / max(len(upsampling), 1)
    lines = [
        f'{framework}: {len(own)} configs of {len({s.family for s in own})} families; '
        f'{len(upsampling)} upsample between backbone and prediction, '
        f'{len(reached)} of them are reached ({share:.1%}).'
    ]
    missing = {}
    for stock in upsampling:
        if not stock.reached:
            why = stock.reason or ', '.join(sorted(stock.unserved))
            missing.setdefault((stock.family, why), []).append(stock)
    for (family, why), found in missing.items():
        lines.append(f'  not reached: {family}, {len(found)} ({why})')
    unread = [stock for stock in stocks if not stock.model]
    for reason in dict.fromkeys(stock.reason for stock in unread):
        count = sum(stock.reason == reason for stock in unread)
        lines.append(f'  not read: {count} ({reason})')
    return '\n'.join(lines)
