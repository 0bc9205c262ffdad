"""Folders, watched with watchfiles: what an editor saves is looked at at once.

A watcher only ever says "look there": it is told nothing that is believed, and may miss anything. Network folders
often tell nothing at all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path, PurePath

#: Milliseconds without a change after which what changed is told, and the longest that is waited for such a pause.
_QUIET = 300
_PATIENCE = 2000
#: Milliseconds between two looks at whether the folders are still the same ones.
_ROUND = 1000
#: Seconds after which watching is tried again when it failed, or there was no folder.
_AGAIN = 30.0

_Identity = tuple[int, int]  # device and number: a folder that was made anew is another one


class Watching:
    """`ports.Watcher` over folders by name. `changed` is told the name of a folder in which something changed that
    `matters`, by its path within the folder, and once when watching it begins; `failed` why none can be watched, at
    every try."""

    def __init__(
        self,
        folders: Mapping[str, Path],
        changed: Callable[[str], None],
        failed: Callable[[BaseException], None],
        *,
        matters: Callable[[PurePath], bool] = lambda _place: True,
    ) -> None:
        self._folders = {name: path.resolve() for name, path in folders.items()}
        self._changed = changed
        self._failed = failed
        self._matters = matters
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        if self._folders:
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopping.is_set():
            there = self._there()
            try:
                if there:
                    self._watch(there)
                    continue
            except Exception as error:  # such as no more watches allowed to this user: the regular looks go on
                self._failed(error)
            self._stopping.wait(_AGAIN)

    def _watch(self, there: Mapping[str, _Identity]) -> None:
        """Until the folders are not the same ones any more."""
        new = set(there)  # something may have changed before watching began
        for paths in self._rounds({self._folders[name] for name in there}):
            for name in sorted(new | self._touched(there, paths)):
                self._changed(name)
            new = set()
            if self._there() != there:
                return

    def _rounds(self, folders: Collection[Path]) -> Iterator[Collection[Path]]:
        """The paths that changed in each round; mostly none."""
        from watchfiles import watch  # late: only a process that watches pays for it

        for changes in watch(
            *folders,
            watch_filter=None,
            debounce=_PATIENCE,
            step=_QUIET,
            stop_event=self._stopping,
            rust_timeout=_ROUND,
            yield_on_timeout=True,
            raise_interrupt=False,
            ignore_permission_denied=True,
        ):
            yield [Path(path) for _, path in changes]

    def _touched(self, there: Collection[str], paths: Collection[Path]) -> set[str]:
        return {name for name in there if any(self._matter(self._folders[name], path) for path in paths)}

    def _matter(self, folder: Path, path: Path) -> bool:
        """A folder within, whatever it is called, may have come with all that is in it."""
        if not path.is_relative_to(folder):
            return False
        place = path.relative_to(folder)
        return self._matters(place) or (path.is_dir() and self._matters(place / "within"))

    def _there(self) -> dict[str, _Identity]:
        """The folders that exist now."""
        found = {}
        for name, path in self._folders.items():
            try:
                told = path.stat()
            except OSError:
                continue
            if path.is_dir():
                found[name] = (told.st_dev, told.st_ino)
        return found
