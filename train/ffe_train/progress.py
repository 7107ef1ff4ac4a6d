"""How far long work is: a bar on a terminal, a line at every tenth elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def bar_shown(words: str, total: int, console: Console) -> Iterator[Callable[[int], None]]:
    """Show work while it goes on; what is given is told how many more things are done.

    Args:
        words: what is being done.
        total: of the things.
        console: where it is shown.
    """
    if not console.is_terminal:
        yield _Lines(words, total, console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        task = bars.add_task(words, total=total)
        yield lambda more: bars.advance(task, more)


class _Lines:
    """A line whenever another tenth is done."""

    def __init__(self, words: str, total: int, console: Console) -> None:
        self._words, self._total, self._console, self._done = words, total, console, 0

    def __call__(self, more: int) -> None:
        """Told how many more are done."""
        before, self._done = self._done, self._done + more
        if self._done * 10 // self._total > before * 10 // self._total:
            self._console.print(f"{self._words}: {self._done} of {self._total}", highlight=False, markup=False)
