"""A run in stages that can be stopped and taken up again.

Each stage writes into a folder of its own; only when it is finished are its files moved beside the others and named in
the manifest, with their sizes and digests.  A run with another input, rule or date starts anew, and whatever an older
run left under the same names goes first, so that no file is ever taken for a result of a run that did not finish.  In a
folder without a manifest of ours nothing is replaced.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

MANIFEST: Final = "manifest.json"
_WORK: Final = ".replay"
_CHUNK: Final = 1 << 20


def digest(path: Path) -> str:
    """SHA-256 (hex) of a file; of a folder, that of its files' names and digests in the order of their names."""
    found = hashlib.sha256()
    if path.is_dir():
        for file in sorted(one for one in path.rglob("*") if one.is_file()):
            found.update(f"{file.relative_to(path).as_posix()} {digest(file)}\n".encode())
        return found.hexdigest()
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def weight(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    if path.is_dir():
        return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    return path.stat().st_size


class Stages:
    """The stages of one run into `out`. `key`: everything the results depend on; JSON. `names`: what the results are
    called; whatever bears such a name and was not left by a finished stage of this very run is removed. Raises
    ValueError when files of these names lie there that no run has left."""

    def __init__(self, out: Path, key: Mapping[str, Any], names: Iterable[str] = ()) -> None:
        self.out, self.key = out, dict(key)
        out.mkdir(parents=True, exist_ok=True)
        names = set(names)
        known = self._read()
        if known is None:
            self._refuse_foreign(names)
            known = {"key": None, "stages": {}}
        shutil.rmtree(out / _WORK, ignore_errors=True)
        self._done: dict[str, Any] = known["stages"] if known["key"] == self.key else {}
        # First the manifest: it says that the folder is ours, and of nothing that goes now that it is finished.
        self._write()
        left = {name for stage in known["stages"].values() for name in stage["files"]}
        finished = {name for stage in self._done.values() for name in stage["files"]}
        for name in (names | left) - finished:
            _remove(out / name)

    def _refuse_foreign(self, names: set[str]) -> None:
        foreign = sorted(name for name in {*names, MANIFEST} if os.path.lexists(self.out / name))
        if foreign:
            raise ValueError(
                f"{self.out} 里已有 {'、'.join(foreign)}, 不是回放写下的, 写结果会把它们盖掉; 请另选一个文件夹, 或先移走 / "
                f"{self.out} holds {', '.join(foreign)}, which no replay has written and the results would replace; "
                "choose another folder, or move them away"
            )

    def _read(self) -> dict[str, Any] | None:
        try:
            known = json.loads((self.out / MANIFEST).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return known if isinstance(known, dict) and "key" in known and isinstance(known.get("stages"), dict) else None

    def finished(self, stage: str) -> Any:
        """What the stage left to be remembered, if it is finished and its files are still what it wrote; else None."""
        done = self._done.get(stage)
        if done is None:
            return None
        for name, said in done["files"].items():
            path = self.out / name
            if not path.exists() or weight(path) != said["bytes"] or digest(path) != said["sha256"]:
                return None
        return done["facts"]

    @contextmanager
    def stage(self, name: str, facts: dict[str, Any]) -> Iterator[Path]:
        """A folder to write into. When the block ends well its files become results, and `facts` (JSON, filled by the
        block) is remembered; when it does not, nothing of it stays. Later stages have to be run again."""
        order = list(self._done)
        for later in order[order.index(name) :] if name in order else ():
            self._forget(later)
        folder = self.out / _WORK / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
            files = {}
            for path in sorted(one for one in folder.iterdir() if not one.name.startswith(".")):
                files[path.name] = {"bytes": weight(path), "sha256": digest(path)}
                _settle(path)
                _remove(self.out / path.name)
                path.replace(self.out / path.name)
            self._done[name] = {"files": files, "facts": facts}
            self._write()
        finally:
            shutil.rmtree(self.out / _WORK, ignore_errors=True)

    def _forget(self, name: str) -> None:
        files = self._done.pop(name)["files"]
        self._write()
        for one in files:
            _remove(self.out / one)

    def _write(self) -> None:
        draft = self.out / f".{MANIFEST}"
        text = json.dumps({"key": self.key, "stages": self._done}, ensure_ascii=False, indent=1)
        draft.write_text(text + "\n", encoding="utf-8")
        _settle(draft)
        draft.replace(self.out / MANIFEST)


def _settle(path: Path) -> None:
    """On the disk before it is named: a power cut must not leave an empty file with a finished name."""
    for file in path.rglob("*") if path.is_dir() else (path,):
        if file.is_file():
            with file.open("rb") as held:
                os.fsync(held.fileno())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
