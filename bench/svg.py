"""A small plot by hand: panels one below the other over the same minutes. No library is worth so little."""

from typing import Final, NamedTuple

WIDTH: Final = 860
LEFT: Final = 70
RIGHT: Final = 20
PANEL: Final = 120
GAP: Final = 40
TOP: Final = 30
COLOURS: Final = ("#1f6feb", "#1a7f37", "#d1242f", "#bf8700")


class Panel(NamedTuple):
    """One plot: its title and its series by name, one value a minute. Bars of several series stand on each other."""

    title: str
    series: list[tuple[str, list[float]]]
    is_bars: bool = False


def panels(given: list[Panel], *, minutes: int) -> str:
    """Return the picture."""
    height = TOP + len(given) * (PANEL + GAP)
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' font-family='system-ui, sans-serif' "
        "font-size='12'>",
        f"<rect width='{WIDTH}' height='{height}' fill='#ffffff'/>",
    ]
    for number, panel in enumerate(given):
        parts += _panel(panel, TOP + number * (PANEL + GAP), minutes)
    parts.append("</svg>\n")
    return "\n".join(parts)


def _panel(panel: Panel, top: int, minutes: int) -> list[str]:
    bottom = top + PANEL
    parts = [f"<text x='{LEFT}' y='{top - 8}' fill='#24292f' font-weight='600'>{panel.title}</text>"]
    x = LEFT + 12 * len(panel.title) * 0.62 + 20
    for number, (name, _) in enumerate(panel.series if len(panel.series) > 1 else []):
        parts.append(f"<text x='{x:.0f}' y='{top - 8}' fill='{COLOURS[number]}'>{name}</text>")
        x += 8 * len(name) + 14
    columns = list(zip(*[values for _, values in panel.series], strict=True))
    high = max([sum(column) if panel.is_bars else max(column) for column in columns] or [1.0]) or 1.0
    low = 0.0
    if not panel.is_bars and len(panel.series) == 1:
        low = min(min(column) for column in columns) if columns else 0.0
        low = 0.0 if low < 0.35 * high else low - 0.05 * (high - low)
    span = (high - low) or 1.0
    for part in (0.0, 0.5, 1.0):
        y = bottom - part * PANEL
        parts.append(f"<line x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{y:.1f}' y2='{y:.1f}' stroke='#d8dee4'/>")
        parts.append(
            f"<text x='{LEFT - 6}' y='{y + 4:.1f}' text-anchor='end' fill='#57606a'>{low + part * span:,.4g}</text>"
            if span < 10
            else f"<text x='{LEFT - 6}' y='{y + 4:.1f}' text-anchor='end' fill='#57606a'>{low + part * span:,.0f}</text>"
        )
    step = (WIDTH - LEFT - RIGHT) / max(1, minutes)
    for minute in range(0, minutes + 1, 10):
        x = LEFT + minute * step
        parts.append(f"<text x='{x:.1f}' y='{bottom + 15}' text-anchor='middle' fill='#57606a'>{minute}</text>")
    if panel.is_bars:
        parts += _bars(columns, bottom, step, PANEL / span)
    else:
        for number, (_, values) in enumerate(panel.series):
            points = " ".join(
                f"{LEFT + (at + 0.5) * step:.1f},{bottom - (value - low) * PANEL / span:.1f}"
                for at, value in enumerate(values)
            )
            parts.append(f"<polyline points='{points}' fill='none' stroke='{COLOURS[number]}' stroke-width='1.6'/>")
    return parts


def _bars(columns: list[tuple[float, ...]], bottom: int, step: float, scale: float) -> list[str]:
    parts = []
    for at, column in enumerate(columns):
        y = float(bottom)
        for number, value in enumerate(column):
            height = value * scale
            y -= height
            if height > 0:
                parts.append(
                    f"<rect x='{LEFT + at * step + 1:.1f}' y='{y:.1f}' width='{max(1.0, step - 2):.1f}' "
                    f"height='{height:.1f}' fill='{COLOURS[number]}'/>"
                )
    return parts
