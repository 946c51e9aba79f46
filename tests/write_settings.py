"""`python -m tests.write_settings` puts the tables of pyray/settings.py into docs/settings.md."""

from __future__ import annotations

from pyray import settings
from tests.support import ROOT


def replaced(text: str, name: str, rows: str) -> str:
    """Return the document with these rows between the marks of a table."""
    begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
    before, _, rest = text.partition(begin)
    return f"{before}{begin}{rows}\n{end}{rest.partition(end)[2]}"


if __name__ == "__main__":
    document = ROOT / "docs" / "settings.md"
    users, own = settings.markdown()
    document.write_text(
        replaced(replaced(document.read_text(), "settings", users), "own-settings", own)
    )
