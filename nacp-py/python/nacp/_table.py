"""Tables, as text in a console and as HTML in a notebook: no script, every value escaped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

# Colours are the reader's own, so that a table can be read on white and on black.
CELL = "padding:0.2em 0.8em;text-align:left;white-space:nowrap;color:inherit;background:transparent"

Row = Sequence[str]


def value(known: object, reason: str | None) -> str:
    """A reading as text; one that is not known says why.

    >>> value(7, None), value(None, "not supported")
    ('7', 'unknown (not supported)')
    """
    return f"unknown ({reason or 'not read'})" if known is None else str(known)


def count(many: int, one: str, several: str | None = None) -> str:
    """So many of something.

    >>> count(1, "GPU"), count(2, "GPU"), count(0, "process", "processes")
    ('1 GPU', '2 GPUs', '0 processes')
    """
    return f"{many} {one if many == 1 else several or one + 's'}"


def columns(head: Row, rows: Sequence[Row]) -> str:
    """Rows in columns as wide as they need to be.

    >>> print(columns(("a", "b"), [("long", "x")]))
    a     b
    long  x
    """
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows])
    return "\n".join(line.rstrip() for line in lines)


def text(title: str, head: Row, rows: Sequence[Row], empty: str) -> str:
    """A title and a table for a console."""
    return f"{title}\n{columns(head, rows) if rows else empty}"


def html(
    title: str,
    head: Row,
    rows: Sequence[Row],
    empty: str,
    *,
    draw: Callable[[int, int], str] | None = None,
    style: Callable[[int, int], str] | None = None,
    whole: Callable[[int, int], str] | None = None,
) -> str:
    """A title and a table for a notebook.

    Args:
        title: What stands above it.
        head: The names of the columns.
        rows: The cells.
        empty: What stands there when there is no row.
        draw: What is drawn before the text of a cell, by row and column, as HTML.
        style: What is added to the style of a cell, by row and column, as CSS.
        whole: What a cell says in short, by row and column: it is shown when the reader points at it.
    """

    def cell(row: int, column: int, content: str) -> str:
        own = style(row, column) if style else ""
        drawn = draw(row, column) if draw else ""
        full = whole(row, column) if whole else ""
        tip = f' title="{escape(full)}"' if full else ""
        return f'<td style="{CELL}{own and ";" + own}"{tip}>{drawn}{escape(content)}</td>'

    heads = "".join(f'<th style="{CELL}">{escape(name)}</th>' for name in head)
    cells = (
        "".join(cell(row, column, content) for column, content in enumerate(contents))
        for row, contents in enumerate(rows)
    )
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    nothing = "" if rows else f'<tr><td style="{CELL}" colspan="{len(head)}">{escape(empty)}</td></tr>'
    caption = f'<caption style="{CELL};caption-side:top;white-space:pre-line">{escape(title)}</caption>'
    return (
        f'<table style="border-collapse:collapse;color:inherit">{caption}'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}{nothing}</tbody></table>"
    )
