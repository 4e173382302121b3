"""What can go wrong below, as types a caller can act on; each says in Chinese and English what to do about it."""

from __future__ import annotations


class StorageError(Exception):
    """Base of every error of this package. `zh` and `en` are the two halves of the sentence."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")
        self.zh = zh
        self.en = en

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.__dict__, self.args))


def _rebuild(kind: type[StorageError], state: dict[str, object], args: tuple[object, ...]) -> StorageError:
    """Errors cross process borders: their constructors differ, their contents do not."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class NotMigrated(StorageError):
    """The database holds no schema, an older one, or one newer than this program."""


class Contention(StorageError):
    """Another writer was in the way (lock, deadlock, changed row). Nothing was written; asking again is safe."""


class Duplicate(StorageError):
    """A row with the same key exists already. `table` names where."""

    def __init__(self, table: str) -> None:
        super().__init__(f"{table} 中已有相同的记录", f"a row with the same key exists in {table}")
        self.table = table


class Rejected(StorageError):
    """A constraint of the schema refused the row: a fault of the program, not of the user."""


class AppendOnly(StorageError):
    """Something tried to change or delete what is only ever added."""

    def __init__(self) -> None:
        super().__init__(
            "已登记的只能追加, 不能修改或删除; 更正请另行登记",
            "what is on record is append-only: record a correction as something new",
        )


class Damaged(StorageError):
    """A row that is kept under the hash of its content has another content, or one that others rest on is gone:
    somebody changed the database by hand. It is not used. Or the file itself cannot be read where it was asked for."""


class StorageUnavailable(StorageError):
    """Disk full, file read-only, moved or replaced, server down. Nothing was written."""


class OutcomeUnknown(StorageUnavailable):
    """The connection broke while committing: the transaction is either wholly there or not at all."""
