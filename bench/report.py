"""The figures as Markdown: for docs/benchmarks.md, and for the terminal, as it stands."""

from collections.abc import Iterator, Sequence

from bench.figures import Figure, Section

VIPD = "vipd"
PICTURES = "benchmarks"  # directory beside the page


def markdown(
    sections: Sequence[Section],
    surroundings: Sequence[str],
    failures: Sequence[str],
    runs: int,
    minutes: float,
) -> str:
    """The whole page. ``minutes``: that it took to measure."""
    parts = [
        "# vipd beside ucarp and keepalived",
        f"Written by `make bench`, which measured all of this in one run of {minutes:.0f} minutes. "
        f"Median of {runs}, unless the text says how many (least – most); one number where all are "
        "the same or it was measured once. A ratio "
        "says how many times as much as vipd the other one has: above 1, vipd is better.",
        "\n".join(f"- {line}" for line in surroundings),
    ]
    for section in sections:
        parts += [f"## {section.title}", section.how, _table(section)]
        if section.picture:
            parts.append(f"![{section.title}]({PICTURES}/{section.picture}.svg)")
    if reasons := list(_reasons(sections)):
        parts += ["## What was missed, and why", "\n".join(reasons)]
    if failures:
        parts += ["## What went wrong", "\n".join(f"- {failure}" for failure in failures)]
    return "\n\n".join(parts) + "\n"


def _reasons(sections: Sequence[Section]) -> Iterator[str]:
    for section in sections:
        for figure in section.figures:
            if figure.bound and figure.bound.missed(figure.values.get(VIPD, ())):
                worst = f"{_cell(figure, VIPD)}, asked: {figure.bound.text}"
                yield f"- **{section.title}, {figure.title}** ({worst}): {figure.bound.why}."


def _table(section: Section) -> str:
    others = [who for who in section.contestants if who != VIPD] if _ratios(section) else []
    bounded = any(figure.bound for figure in section.figures)
    rows = [["", *section.contestants, *(f"{who} : vipd" for who in others)]]
    rows[0] += ["asked of vipd", "verdict"] * bounded
    for figure in section.figures:
        row = [figure.title]
        row += [
            "cannot" if who in section.cannot else _cell(figure, who) for who in section.contestants
        ]
        row += [_ratio(figure, who) for who in others]
        rows.append(row + _bound(figure) * bounded)
    return aligned(rows)


def aligned(rows: list[list[str]]) -> str:
    """A Markdown table that can be read as it stands, in a terminal."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"
        for row in rows
    )


def _ratios(section: Section) -> bool:
    return VIPD in section.contestants


def _cell(figure: Figure, who: str) -> str:
    middle = figure.median(who)
    if middle is None:
        return "–"
    values = [number(value) for value in (middle, *sorted(figure.values[who]))]
    spread = "" if values[1] == values[-1] else f" ({values[1]} – {values[-1]})"
    return f"{values[0]} {figure.unit}{spread}"


def number(value: float) -> str:
    """Three digits, no more: these are measurements."""
    size = abs(value)
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def _ratio(figure: Figure, who: str) -> str:
    ours, theirs = figure.median(VIPD), figure.median(who)
    if not ours or ours < 0 or theirs is None or theirs < 0:
        return "–"
    return f"{number(theirs / ours)} ×"


def _bound(figure: Figure) -> list[str]:
    if figure.bound is None:
        return ["–", "–"]
    return [figure.bound.text, figure.bound.verdict(figure.values.get(VIPD, ()))]
