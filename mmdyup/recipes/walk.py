"""Finding things in a loaded config."""

from collections.abc import Iterator


def walk(node) -> Iterator[dict]:
    """Every dict inside `node` (dicts, lists and tuples nested in any way), parents first."""
    if isinstance(node, dict):
        yield node
        children = list(node.values())
    elif isinstance(node, (list, tuple)):
        children = node
    else:
        return
    for child in children:
        yield from walk(child)


def leaf_datasets(dataloader: dict | None) -> list[dict]:
    """The data sets of a dataloader config that read an annotation file, inside any wrapper."""
    dataset = (dataloader or {}).get('dataset')
    return [node for node in walk(dataset) if node.get('ann_file')]


def evaluators(evaluator) -> list[dict]:
    """The metrics of an evaluator config, which is one metric or a list of them."""
    if not evaluator:
        return []
    return list(evaluator) if isinstance(evaluator, (list, tuple)) else [evaluator]
