import json
from dataclasses import asdict
from pathlib import Path

from .markdown import preamble, sweep_markdown, table_markdown
from .plot import plot_tables
from .sweep import Sweep
from .table import Table


def write_tables(folder: Path, tables: list[Table], about: dict) -> str:
    """Writes benchmark.md, benchmark.json and benchmark.png to ``folder``; returns the Markdown.

    Args:
        folder: An existing folder.
        tables: What was measured.
        about: The arguments of :func:`.markdown.preamble`.
    """
    plot_tables(tables, folder / 'benchmark.png')
    text = '\n\n'.join(
        [
            preamble(**about),
            '![time against parameters](benchmark.png)',
            *map(table_markdown, tables),
        ]
    )
    _write(folder / 'benchmark', text, {**about, 'tables': [asdict(table) for table in tables]})
    return text


def write_sweeps(folder: Path, sweeps: list[Sweep], about: dict) -> str:
    """Writes sweep.md and sweep.json to ``folder``; returns the Markdown."""
    text = '\n\n'.join([preamble(**about), *map(sweep_markdown, sweeps)])
    _write(folder / 'sweep', text, {**about, 'sweeps': [asdict(sweep) for sweep in sweeps]})
    return text


def _write(stem: Path, text: str, data: dict) -> None:
    stem.with_suffix('.md').write_text(text + '\n', encoding='utf-8')
    stem.with_suffix('.json').write_text(
        json.dumps(data, indent=1, ensure_ascii=False) + '\n', encoding='utf-8'
    )
