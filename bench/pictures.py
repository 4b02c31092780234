"""A section as a picture: a bar for each figure and contestant, on a logarithmic scale."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

from bench.figures import Section

COLOURS = {"vipd": "#1a7f5a", "ucarp": "#b5651d", "keepalived": "#4a6fa5"}
BAR = 0.26  # inches for one bar


def draw(section: Section, file: Path) -> None:
    """Write the SVG."""
    # Text stays text: small, and found by a search. The same figures make the same file.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "vipd"})
    contestants = section.contestants
    bars = len(section.figures) * (len(contestants) + 1)
    canvas = Canvas(figsize=(9, 1 + bars * BAR), layout="constrained")
    axes = canvas.add_subplot()
    names, places = [], []
    for row, figure in enumerate(section.figures):
        top = row * (len(contestants) + 1)
        names.append(f"{figure.title} ({figure.unit})")
        places.append(top + (len(contestants) - 1) / 2)
        for number, who in enumerate(contestants):
            middle = figure.median(who)
            if middle is None or middle <= 0:
                continue
            runs = figure.values[who]
            axes.barh(
                top + number,
                middle,
                color=COLOURS.get(who, "#777777"),
                label=who if who not in axes.get_legend_handles_labels()[1] else None,
                xerr=[[middle - max(min(runs), middle / 100)], [max(runs) - middle]],
                ecolor="#333333",
                capsize=2,
            )
    axes.set_xscale("log")
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.0 + 0.6 / bars), ncols=3, frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    canvas.savefig(file, format="svg", metadata={"Date": None})
