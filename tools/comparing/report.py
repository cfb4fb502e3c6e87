"""Findings as Markdown and JSON; the page has a file of its own."""

import json
from dataclasses import asdict

from benchmarks.report import grid

from .findings import Findings
from .page import page
from .plan import Plan
from .records import is_done
from .sentences import interval_text, reading, sentences
from .tables import runs_table, table


def write(plan: Plan, findings: Findings, facts: dict[str, str]) -> str:
    """Writes compare.html, compare.md and compare.json to the plan's folder.

    Args:
        plan: The comparison.
        findings: What its runs show.
        facts: What was run on what, by name.

    Returns:
        The Markdown.
    """
    text = markdown(findings, facts)
    (plan.folder / 'compare.md').write_text(text + '\n', encoding='utf-8')
    (plan.folder / 'compare.html').write_text(page(plan, findings, facts), encoding='utf-8')
    data = dict(facts, sentences=[*sentences(findings), *reading(findings)], **asdict(findings))
    (plan.folder / 'compare.json').write_text(
        json.dumps(data, indent=1, ensure_ascii=False) + '\n', encoding='utf-8'
    )
    return text


def markdown(findings: Findings, facts: dict[str, str]) -> str:
    """All findings but pictures and curves."""
    parts = ['# Comparison', '\n'.join(f'- {name}: {value}' for name, value in facts.items())]
    parts.append('\n'.join(f'- {sentence}' for sentence in sentences(findings)))
    parts.append('\n'.join(grid(*table(findings))))
    if told := reading(findings):
        parts.append('\n'.join(told))
    if findings.cautions:
        parts.append('\n'.join(f'- {caution}' for caution in findings.cautions))
    for name, lines in findings.others.items():
        cells = [
            [f'{variant} − {baseline}', interval_text(paired), f'{paired.better} of {paired.count}']
            for variant, baseline, paired in lines
        ]
        head = [f'{name}, not judged', 'difference, 95 %', 'above in']
        parts.append('\n'.join(grid(head, cells)))
    parts.append('\n'.join(grid(*runs_table(findings))))
    return '\n\n'.join(parts)


def facts_of(plan: Plan, records: dict[str, dict], command: str) -> dict[str, str]:
    """What was run on what, from the records of a plan's runs.

    Args:
        plan: The comparison.
        records: By their keys.
        command: As it was typed.
    """
    done = [record for run in plan.runs if is_done(record := records.get(run.key))]
    hours = sum(record['seconds'] for record in done) / 3600
    facts = {
        'command': f'`{command}`',
        'primary metric': f'{plan.metric.name} (`{plan.metric.key}`)',
        'runs': f'{len(done)} of {len(plan.runs)}, {hours:.2f} hours'
        + (f', each by {plan.processes} processes' if plan.processes > 1 else ''),
    }
    machines = {json.dumps(record['machine']): record for record in done}
    for record in machines.values():
        of = record['machine']
        versions = ', '.join(f'{name} {version}' for name, version in record['versions'].items())
        facts['machine' if len(machines) == 1 else f'machine {len(facts) - 2}'] = (
            f'{of.get("GPU", of["processor"])}, {of["cores"]} cores, {record["threads"]} threads '
            f'of PyTorch; Python {of["Python"]}, {versions}'
        )
    return facts
