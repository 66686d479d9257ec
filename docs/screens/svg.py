#!/usr/bin/env python3
"""A terminal's screen as SVG: text with colour codes on stdin, as `tmux capture-pane -e -p` gives it.

    tmux capture-pane -e -p | ./svg.py > browse.svg
"""
import html
import re
import sys
import unicodedata

COLUMNS, CELL, LINE, MARGIN = 80, 8.4, 18, 12
INK, PAPER = "#d8dee9", "#1e222a"
COLOURS = {31: "#e06c75", 32: "#98c379", 33: "#e5c07b", 36: "#56b6c2"}


def pieces(line, style):
    """Text and the style it has; `style` is changed by the codes in the line."""
    for code, text in re.findall(r"\x1b\[([0-9;]*)m|([^\x1b]+)", line):
        if text:
            yield text, dict(style)
            continue
        for number in [int(part or 0) for part in code.split(";")]:
            if number == 0:
                style.clear()
            elif number in (1, 2, 7):
                style[number] = True
            elif number in COLOURS:
                style["ink"] = COLOURS[number]
            elif number in (22, 27, 39):
                style.pop({22: 1, 27: 7, 39: "ink"}[number], None)


def cells(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def main():
    lines = sys.stdin.read().rstrip("\n").split("\n")
    width, height = COLUMNS * CELL + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        ' font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">',
        f'<rect width="100%" height="100%" rx="6" fill="{PAPER}"/>',
    ]
    style = {}
    for number, line in enumerate(lines):
        x, y = float(MARGIN), MARGIN + number * LINE
        for text, look in pieces(line, style):
            wide = cells(text) * CELL
            ink = look.get("ink", INK)
            if look.get(7):
                out.append(f'<rect x="{x:.1f}" y="{y}" width="{wide:.1f}" height="{LINE}" fill="{ink}"/>')
                ink = PAPER
            extra = ' font-weight="bold"' if look.get(1) else ""
            extra += ' opacity="0.6"' if look.get(2) else ""
            # Column by column: a font may have another idea of how wide some characters are.
            for column in re.finditer(r"\S+( \S+)*", text):
                at = x + cells(text[: column.start()]) * CELL
                out.append(
                    f'<text x="{at:.1f}" y="{y + 13}" textLength="{cells(column.group()) * CELL:.1f}"'
                    f' fill="{ink}"{extra}>{html.escape(column.group())}</text>'
                )
            x += wide
    out.append("</svg>")
    print("\n".join(out))


main()
