"""What was found in the data of a run: errors, warnings, and a summary of a few lines."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or probably wrong.

    Args:
        level: 'error' where training or scoring would fail or learn something else, else 'warning'.
        path: The file or folder.
        message: One sentence: the first place, what is wrong there, and what to do.
        count: How many places there are.
    """

    level: str
    path: str
    message: str
    count: int = 1

    def __str__(self) -> str:
        return f'{self.path}: {self.message}'


class Unusable(ValueError):
    """A file of which nothing can be made.

    Args:
        path: The file.
        message: As in :class:`Finding`.
    """

    def __init__(self, path: str | Path, message: str) -> None:
        super().__init__(path, message)
        self.finding = Finding('error', str(path), message)

    def __str__(self) -> str:
        return str(self.finding)


@dataclass
class Report:
    """Findings in the order in which they were made, the lines of the summary, and whether there
    is anything to score."""

    findings: list[Finding] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    labelled: bool = True

    def error(self, path: str | Path, message: str, count: int = 1) -> None:
        self.add([Finding('error', str(path), message, int(count))])

    def warn(self, path: str | Path, message: str, count: int = 1) -> None:
        self.add([Finding('warning', str(path), message, int(count))])

    def add(self, findings: Iterable[Finding]) -> None:
        """Takes those that are not here yet: two splits may read the same file."""
        self.findings += [found for found in findings if found not in self.findings]

    @property
    def errors(self) -> list[Finding]:
        return [found for found in self.findings if found.level == 'error']

    @property
    def warnings(self) -> list[Finding]:
        return [found for found in self.findings if found.level == 'warning']

    def __str__(self) -> str:
        """The summary, then the warnings: what a run prints and keeps."""
        return '\n'.join([*self.summary, *(f'  warning: {found}' for found in self.warnings)])

    def as_json(self) -> dict:
        """Plain lists and strings: 'errors', 'warnings' and 'summary'."""
        return dict(
            errors=[asdict(found) for found in self.errors],
            warnings=[asdict(found) for found in self.warnings],
            summary=self.summary,
        )


def listed(names: Iterable, most: int = 8) -> str:
    """Names beside one another, the last of many left out."""
    names = [str(name) for name in names]
    rest = len(names) - most
    return ', '.join(names[:most]) + (f' and {rest} more' if rest > 0 else '')


def plural(count: int, word: str, several: str = '') -> str:
    """'1 picture', '2 pictures'; ``several`` where the ending is another one."""
    return f'{count} {word if count == 1 else several or word + "s"}'
