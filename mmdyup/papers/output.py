import json
from dataclasses import asdict
from pathlib import Path

from .markdown import preamble, summary, table_markdown
from .plot import plot_scores
from .published import Table
from .reproduce import Result


def write_results(
    folder: Path, tables: list[tuple[Table, list[Result]]], command: str, versions: dict[str, str]
) -> str:
    """Writes reproduce.md, reproduce.json and, of runs there are, reproduce.png to ``folder``.

    Args:
        folder: An existing folder.
        tables: Each with its results.
        command: What was run.
        versions: Those of the stack.

    Returns:
        The Markdown.
    """
    parts = [preamble(command, versions)]
    if plot_scores(tables, folder / 'reproduce.png'):
        parts.append('![measured against published accuracy](reproduce.png)')
    parts += [table_markdown(table, results) for table, results in tables]
    text = '\n\n'.join([*parts, summary(tables)])
    data = dict(
        command=command,
        versions=versions,
        tables=[
            dict(
                name=table.name,
                title=table.title,
                source=table.source,
                conventions=table.conventions,
                rows=[asdict(result) for result in results],
            )
            for table, results in tables
        ],
    )
    (folder / 'reproduce.md').write_text(text + '\n', encoding='utf-8')
    (folder / 'reproduce.json').write_text(
        json.dumps(data, indent=1, ensure_ascii=False) + '\n', encoding='utf-8'
    )
    return text
