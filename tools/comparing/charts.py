"""Charts as SVG, drawn by hand: small, sharp, and each point says what it is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLOURS = ('#4477aa', '#ee6677', '#228833', '#ccbb44', '#66ccee', '#aa3377', '#777777')
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 16, 40


@dataclass(frozen=True)
class Axis:
    """Maps values to pixels.

    Args:
        low: The least value.
        high: The greatest.
        begin: The pixel of the least.
        end: The pixel of the greatest.
    """

    low: float
    high: float
    begin: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1)
        return round(self.begin + share * (self.end - self.begin), 1)

    def ticks(self) -> list[float]:
        """Some round values between the ends."""
        raw = (self.high - self.low) / 5 or 1
        step = 10 ** math.floor(math.log10(raw))
        step *= next(factor for factor in (1, 2, 5, 10) if factor * step >= raw)
        first = math.ceil(self.low / step)
        return [i * step for i in range(first, math.floor(self.high / step) + 1)]


def colour(i: int) -> str:
    return COLOURS[i % len(COLOURS)]


def dots(columns: dict[str, dict[int, float]], label: str) -> str:
    """A column of dots for each variant, one a run; thin lines join what has one seed.

    Args:
        columns: Scores by seed, by variant.
        label: What the scores are.
    """
    values = [score for column in columns.values() for score in column.values()]
    width, height = max(360, _LEFT + _RIGHT + 120 * len(columns)), 320
    y = _vertical(values, height)
    x = {name: _LEFT + 120 * (i + 0.5) for i, name in enumerate(columns)}
    parts = [_frame(width, height, y, label)]
    names = list(columns)
    for seed in sorted({seed for column in columns.values() for seed in column}):
        points = [(x[name], y(columns[name][seed])) for name in names if seed in columns[name]]
        parts.append(_line(points, '#bbbbbb', 0.7))
    for i, (name, column) in enumerate(columns.items()):
        for seed, score in column.items():
            title = f'{name}, seed {seed}: {score:.4g}'
            parts.append(
                f'<circle class="run" cx="{x[name]}" cy="{y(score)}" r="4" fill="{colour(i)}" '
                f'fill-opacity="0.75"><title>{escape(title)}</title></circle>'
            )
        if column:
            mean = y(sum(column.values()) / len(column))
            parts.append(_line([(x[name] - 18, mean), (x[name] + 18, mean)], colour(i), 2.5))
        parts.append(_text(x[name], height - 14, name, 'middle'))
    return _svg(width, height, parts)


def intervals(lines: Sequence[tuple[str, float, float, float]], label: str, effect: float) -> str:
    """Differences with their intervals, one a line, and 0 between plus and minus ``effect``.

    Args:
        lines: A name, the mean, the ends of the interval.
        label: What the differences are.
        effect: The difference that would matter.
    """
    width, height = 720, 56 + 30 * len(lines)
    ends = [value for _, _, low, high in lines for value in (low, high)] + [-effect, effect]
    x = Axis(min(ends), max(ends), 260, width - _RIGHT)
    parts = [
        f'<rect x="{x(-effect)}" y="8" width="{x(effect) - x(-effect):.1f}" '
        f'height="{height - 48}" class="band"/>',
        _line([(x(0), 8), (x(0), height - 40)], '#888888', 1),
    ]
    for tick in x.ticks():
        parts.append(_text(x(tick), height - 24, f'{tick:g}', 'middle'))
    parts.append(_text((260 + width) / 2, height - 8, label, 'middle'))
    for i, (name, mean, low, high) in enumerate(lines):
        y = 24 + 30 * i
        title = f'{name}: {mean:+.3g} ({low:+.3g} to {high:+.3g})'
        parts += [
            _text(250, y + 4, name, 'end'),
            _line([(x(low), y), (x(high), y)], '#444444', 2),
            f'<circle class="difference" cx="{x(mean)}" cy="{y}" r="5" fill="#4477aa"><title>'
            f'{escape(title)}</title></circle>',
        ]
    return _svg(width, height, parts)


def curves(lines: dict[str, list[tuple[float, float]]], label: str) -> str:
    """Means over seeds, by step.

    Args:
        lines: Points of step and value, by variant.
        label: What the values are.
    """
    points = [point for line in lines.values() for point in line]
    width, height = 480, 300
    y = _vertical([value for _, value in points], height)
    steps = [step for step, _ in points]
    x = Axis(min(steps, default=0), max(steps, default=1), _LEFT, width - _RIGHT)
    parts = [_frame(width, height, y, label)]
    parts += [_text(x(tick), height - 24, f'{tick:g}', 'middle') for tick in x.ticks()]
    parts.append(_text((_LEFT + width) / 2, height - 8, 'step', 'middle'))
    for i, (name, line) in enumerate(lines.items()):
        drawn = _line([(x(step), y(value)) for step, value in line], colour(i), 2)
        parts.append(f'<g class="curve"><title>{escape(name)}</title>{drawn}</g>')
    return _svg(width, height, parts)


def _vertical(values: Sequence[float], height: int) -> Axis:
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    margin = 0.08 * (max(finite) - min(finite)) or 0.5
    return Axis(min(finite) - margin, max(finite) + margin, height - _BOTTOM, _TOP)


def _frame(width: int, height: int, y: Axis, label: str) -> str:
    parts = [_text(4, 12, label, 'start')]
    for tick in y.ticks():
        parts.append(_line([(_LEFT - 8, y(tick)), (width - _RIGHT, y(tick))], '#dddddd', 1))
        parts.append(_text(_LEFT - 12, y(tick) + 4, f'{tick:g}', 'end'))
    return ''.join(parts)


def _line(points: Sequence[tuple[float, float]], stroke: str, width: float) -> str:
    path = ' '.join(f'{x},{y}' for x, y in points if math.isfinite(y))
    return f'<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="{width}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'
        f'{"".join(parts)}</svg>'
    )
