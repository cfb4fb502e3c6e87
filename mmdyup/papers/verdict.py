from dataclasses import dataclass

from .printed import agreement, is_relative
from .published import Note


@dataclass(frozen=True)
class Verdict:
    """What became of one printed entry.

    Args:
        entry: As printed.
        status: 'agrees'; 'explained', where something else comes out for a reason that is known;
            'disagrees'.
        computed: The number, or its difference to the baseline's.
        convention: What ``computed`` counts.
        how: 'rounded' or 'truncated', None where it disagrees.
        why: The reason where it is 'explained'.
    """

    entry: str
    status: str
    computed: float
    convention: str
    how: str | None = None
    why: str | None = None


def judge(
    entry: str,
    values: dict[str, float],
    baseline: dict[str, float] | None = None,
    note: Note | None = None,
) -> Verdict:
    """Looks for the convention by which a number comes out as printed, rounded if possible.

    Args:
        entry: As printed.
        values: The number by each convention, the usual one first.
        baseline: The same for the row to which a signed entry refers.
        note: What comes out instead, if that is known.

    Raises:
        ValueError: See :func:`.printed.agreement`.
    """
    base = baseline if is_relative(entry) and baseline else dict.fromkeys(values)
    computed = {name: value - (base[name] or 0) for name, value in values.items()}
    expected = [(entry, 'agrees', None)]
    if note:
        expected.append((note.comes_out, 'explained', note.why))
    for text, status, why in expected:
        found = {name: agreement(text, value, base[name]) for name, value in values.items()}
        for how in ('rounded', 'truncated'):
            for convention in values:
                if found[convention] == how:
                    return Verdict(entry, status, computed[convention], convention, how, why)
    usual = next(iter(values))
    return Verdict(entry, 'disagrees', computed[usual], usual)
