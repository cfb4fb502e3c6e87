class DynamicPart:
    """Marks the necks and heads that take an ``upsample_cfg``."""
