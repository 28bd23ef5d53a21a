"""Reading text out of markup: manual pages (roff) and web pages (HTML)."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from training.readers import Raw, Reader

_ROFF_FONT = re.compile(r"\\f(\(..|\[[^]]*\]|.)|\\[&,/|^:%]|\\s[-+]?\d")
_ROFF_HIDDEN = re.compile(r'^[.\'](\\"|ig|de|so|if|ie|el|ds|nr|TH|Dd|Dt|Os).*')
_ROFF_REQUEST = re.compile(r"^[.'][A-Za-z]*\s*")


def manual_pages(folder: Path) -> Iterator[Raw]:
    """Simplified Chinese manual pages (manpages-zh): roff without its requests."""
    for path in sorted((folder / "usr/share/man/zh_CN").glob("man*/*.gz")):
        text = gzip.decompress(path.read_bytes()).decode("utf-8", errors="ignore")
        lines = (_plain_roff(line) for line in text.splitlines())
        yield Raw("technical", "manual-pages", f"man-{path.name}", tuple(line for line in lines if line))


def _plain_roff(line: str) -> str:
    if _ROFF_HIDDEN.match(line):
        return ""
    line = _ROFF_REQUEST.sub("", line).replace("\\-", "-").replace("\\(bu", "").replace('"', " ")
    return _ROFF_FONT.sub("", line).replace("\\e", "\\").strip()


def web_pages(source: str) -> Reader:
    """Make a reader of every HTML page below a folder; one block of text a line."""

    def read(folder: Path) -> Iterator[Raw]:
        for path in sorted(folder.rglob("*.html")):
            if not path.is_symlink():
                page = _Blocks()
                page.feed(path.read_text("utf-8", errors="ignore"))
                page.close()
                yield Raw("technical", source, f"{source}-{path.relative_to(folder)}", tuple(page.blocks()))

    return read


class _Blocks(HTMLParser):
    """Collects the text of a page by blocks, without scripts, styles and program text."""

    INLINE = frozenset(
        {"a", "b", "i", "em", "strong", "span", "code", "tt", "kbd", "acronym", "font", "u", "sub", "sup"}
    )
    HIDDEN = frozenset({"script", "style", "pre", "head", "nav"})

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._hidden += tag in self.HIDDEN
        if tag not in self.INLINE:
            self._parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in self.HIDDEN))
        if tag not in self.INLINE:
            self._parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._parts.append(data.replace("\n", " "))

    def blocks(self) -> Iterator[str]:
        """The blocks that hold text."""
        return (line.strip() for line in "".join(self._parts).split("\n") if line.strip())
