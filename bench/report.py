# SPDX-License-Identifier: Apache-2.0
"""From measurements to ratios, a table, Markdown and a plot."""

import fnmatch
import json
import os
import statistics

# The first pattern that fits a row's name is its goal: the ratio that it must not exceed.
GOALS = [
    ("freeze-1g-*", 0.40),
    ("freeze-4g-*", 0.40),
    ("durable-*-random", 1.10),
    ("durable-*-float", 0.70),
    ("bytes-10pct-*", 0.12),
    ("restart-gen100", 1.10),
    ("restart-*-random", 1.20),
    ("restart-*-float", 1.20),
    ("restart-*-zero", 1.20),
    ("run-overhead", 1.00),
    ("memory", 1.00),
]


def goal_of(name):
    if name.startswith(("freeze-disk-", "durable-zstd-", "durable-10pct-", "restart-read-")):
        return None
    return next((goal for pattern, goal in GOALS if fnmatch.fnmatch(name, pattern)), None)


def verdict(row):
    goal = goal_of(row["name"])
    if goal is None:
        return ""
    if round(row["ratio"], 2) <= goal:
        return "met"
    return "missed" if row["min"] > goal else "unclear"


def make_row(name, against, pairs, unit="s"):
    """pairs: (Bivouac, other) of each round. The row's ratio is the median of the rounds' ratios."""
    ratios = [ours / other for ours, other in pairs]
    row = {"name": name, "against": against, "ratio": round(statistics.median(ratios), 4),
           "min": round(min(ratios), 4), "max": round(max(ratios), 4), "rounds": len(pairs)}
    raw = {"name": name, "unit": unit, "bivouac": [round(p[0], 6) for p in pairs],
           "other": [round(p[1], 6) for p in pairs]}
    return row, raw


def value_text(values, unit):
    middle = statistics.median(values)
    if unit == "bytes":
        return f"{middle / (1 << 20):.1f} MiB"
    return f"{middle * 1000:.0f} ms" if middle < 1 else f"{middle:.2f} s"


HEAD = ["row", "against", "Bivouac", "other", "ratio", "min-max", "rounds", "goal", ""]


def cells(row, raw):
    goal = goal_of(row["name"])
    ours = value_text(raw["bivouac"], raw["unit"]) if raw else ""
    other = value_text(raw["other"], raw["unit"]) if raw else ""
    return [row["name"], row["against"], ours, other, f"{row['ratio']:.2f}", f"{row['min']:.2f}-{row['max']:.2f}",
            str(row["rounds"]), f"<= {goal:.2f}" if goal is not None else "", verdict(row)]


def table(rows, raws):
    by_name = {r["name"]: r for r in raws}
    lines = [HEAD] + [cells(r, by_name.get(r["name"])) for r in rows]
    width = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, width)).rstrip() for line in lines)


def markdown(rows, raws):
    by_name = {r["name"]: r for r in raws}
    lines = [HEAD, ["---"] * len(HEAD)]
    for r in rows:
        c = cells(r, by_name.get(r["name"]))
        c[0] = f"`{c[0]}`"
        c[4] = f"**{c[4]}**"
        c[7] = c[7].replace("<=", "≤")
        c[5] = c[5].replace("-", "–")
        lines.append(c)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


# --- the plot ---------------------------------------------------------------------------------------------------------

STYLE = """
  text { font: 12px sans-serif; fill: #24292f; }
  .title { font-size: 15px; font-weight: bold; }
  .faint { fill: #57606a; font-size: 11px; }
  .grid { stroke: #d0d7de; } .one { stroke: #57606a; stroke-dasharray: 4 3; }
  .bar { fill: #4c8dca; } .missed { fill: #d9822b; }
  .spread { stroke: #24292f; stroke-width: 1.5; } .goal { stroke: #1a7f37; stroke-width: 3; }
  .ground { fill: #ffffff; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .faint { fill: #9198a1; } .grid { stroke: #30363d; } .one { stroke: #9198a1; }
    .spread { stroke: #e6edf3; } .goal { stroke: #3fb950; } .ground { fill: #0d1117; }
  }"""


def svg(rows, note):
    left, right, step, top, most = 190, 70, 22, 74, 2.0
    scale = 560 / most
    height = top + step * len(rows) + 30
    width = left + 560 + right

    def x(ratio):
        return left + min(ratio, most) * scale

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
           "<title>Bivouac against the same with CRIU alone</title>", f"<style>{STYLE}\n</style>",
           f'<rect class="ground" width="{width}" height="{height}"/>',
           '<text class="title" x="16" y="26">Bivouac / other: less is better</text>',
           f'<text class="faint" x="16" y="44">{note}</text>']
    for i in range(0, 9):
        ratio = i * most / 8
        kind = "one" if ratio == 1 else "grid"
        out.append(f'<line class="{kind}" x1="{x(ratio):.1f}" x2="{x(ratio):.1f}" y1="{top - 6}" y2="{height - 26}"/>')
        out.append(f'<text class="faint" x="{x(ratio):.1f}" y="{top - 10}" text-anchor="middle">{ratio:g}</text>')
    for i, r in enumerate(rows):
        y = top + i * step
        middle = y + step / 2
        goal = goal_of(r["name"])
        kind = "bar missed" if verdict(r) == "missed" else "bar"
        out.append(f'<text x="{left - 8}" y="{middle + 4:.1f}" text-anchor="end">{r["name"]}</text>')
        out.append(f'<rect class="{kind}" x="{left}" y="{y + 4}" width="{max(x(r["ratio"]) - left, 1):.1f}" '
                   f'height="{step - 8}" rx="2"/>')
        out.append(f'<line class="spread" x1="{x(r["min"]):.1f}" x2="{x(r["max"]):.1f}" y1="{middle}" y2="{middle}"/>')
        if goal is not None:
            out.append(f'<line class="goal" x1="{x(goal):.1f}" x2="{x(goal):.1f}" y1="{y + 1}" y2="{y + step - 1}"/>')
        out.append(f'<text x="{max(x(r["ratio"]), x(r["max"]), x(goal or 0)) + 6:.1f}" y="{middle + 4:.1f}">'
                   f'{r["ratio"]:.2f}</text>')
    out.append(f'<text class="faint" x="16" y="{height - 10}">bar: median of the rounds; thin line: least to most; '
               'thick line: the goal, and orange where it was missed</text>')
    out.append("</svg>\n")
    return "\n".join(out)


def write_all(folder, rows, raws, facts):
    with open(f"{folder}/bench.json", "w") as f:
        f.write("[\n" + ",\n".join("  " + json.dumps(r) for r in rows) + "\n]\n")
    with open(f"{folder}/bench-raw.json", "w") as f:
        json.dump({"facts": facts, "rows": raws}, f, indent=1)
        f.write("\n")
    with open(f"{folder}/bench.svg", "w") as f:
        f.write(svg(rows, facts["note"]))
    for name in ("bench.json", "bench-raw.json", "bench.svg"):
        os.chmod(f"{folder}/{name}", 0o644)
