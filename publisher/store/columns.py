"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

#: 64-bit; SQLite wants the word INTEGER to make a row id of it.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

#: Lists and mappings; an absent value is NULL and never the JSON word null.
JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

#: Text that sorts by its bytes, whatever language the database was made for.
BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


class Utc(sa.types.TypeDecorator[datetime]):
    """An aware time in UTC, in and out. A naive one is a bug and raises ValueError.

    SQLite has no times: it keeps text of a fixed width, which sorts as the times do.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, _dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def identity() -> sa.Column[int]:
    """A primary key that is never given twice, not even after its row is gone."""
    return sa.Column("id", BIG, sa.Identity(), primary_key=True, autoincrement=True)


def refers(name: str, target: str, **options: Any) -> sa.Column[int]:
    return sa.Column(name, BIG, sa.ForeignKey(target), nullable=options.pop("nullable", False), **options)


def text(name: str, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=options.pop("nullable", False), **options)


def whole(name: str, **options: Any) -> sa.Column[int]:
    return sa.Column(name, BIG, nullable=options.pop("nullable", False), **options)


def yes_no(name: str, **options: Any) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False, **options)


def moment(name: str, **options: Any) -> sa.Column[datetime]:
    return sa.Column(name, Utc(), nullable=options.pop("nullable", True), **options)


def data(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, JSON, nullable=options.pop("nullable", False), **options)


def blob(name: str, **options: Any) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=options.pop("nullable", False), **options)
