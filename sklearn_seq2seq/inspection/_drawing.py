"""Axes, legends, and labels that can be read in any script."""

import unicodedata

import numpy as np

from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq._warnings import warn

# Font sizes in points: the least legible one, the least for which horizontal labels are
# better than rotated ones, and the largest.
_SMALLEST, _UPRIGHT, _LARGEST = 5.0, 6.5, 10.0


def axes(ax, width, height):
    """The axes to draw on, and their figure."""
    pyplot = import_optional("matplotlib.pyplot", "plot")
    if ax is None:
        _, ax = pyplot.subplots(figsize=(width, height), layout="constrained")
    return ax, ax.figure


def legend(ax, handles):
    """Draw a legend above the axes, where no curve crosses it."""
    ax.legend(
        handles,
        [handle.get_label() for handle in handles],
        fontsize="small",
        frameon=False,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=2 if points(ax)[0] > 280 else 1,
    )


def grid_size(columns, rows):
    """Width and height in inches of a figure for a grid with legible labels."""
    tall = max(map(len, columns))
    wide = max(map(len, rows))
    extra = 0.09 * min(tall, 30) if tall > 2 else 0.2
    return (
        min(max(4.0, 2.0 + 0.09 * min(wide, 30) + 0.24 * len(columns)), 24),
        min(max(3.0, 1.0 + extra + 0.24 * len(rows)), 24),
    )


def label(ax, columns, rows):
    """Write tokens at the ticks, in a size at which they do not overlap.

    Returns
    -------
    float
        The smaller font size, in points.
    """
    drawable = [labels and _drawable(labels) for labels in (columns, rows)]
    # Labels reduce the size of the axes, and so are fitted twice.
    for _ in range(2):
        sizes = [
            _label_axis(getattr(ax, f"{name}axis"), *labels, room / len(labels[0]))
            for name, labels, room in zip("xy", drawable, points(ax), strict=True)
            if labels
        ]
        ax.figure.draw_without_rendering()
    return min(sizes)


def points(ax):
    """Approximate width and height of the axes, in points."""
    box = ax.get_window_extent()
    return 72 * np.array([box.width, box.height]) / ax.figure.dpi


def _label_axis(axis, labels, families, room):
    """Label one axis; each label has `room` points along the axis."""
    lines = max(label.count("\n") + 1 for label in labels)
    longest = max(map(len, "\n".join(labels).split("\n")))
    # Letters are about 0.65 times their size wide, lines up to 1.4 times high.
    across, along = room / (0.65 * (longest + 1)), room / (1.4 * lines)
    upright = longest <= 2 or across >= min(_UPRIGHT, along)
    wanted = across if axis.axis_name == "x" and upright else along
    size = min(max(wanted, _SMALLEST), _LARGEST)
    step = max(1, int(np.ceil(_SMALLEST / wanted)))
    axis.set_ticks(
        range(0, len(labels), step),
        labels[::step],
        fontsize=size,
        fontfamily=families,
        parse_math=False,
        rotation=0 if upright or axis.axis_name == "y" else 90,
    )
    return size


def _drawable(labels):
    """Labels that can be drawn, and the font families for them."""
    manager = import_optional("matplotlib.font_manager", "plot")
    families = list(manager.FontProperties().get_family())
    shown = labels
    missing = set("".join(shown)) - {"\n"}
    missing -= _having(manager, _paths(manager, families), missing)
    if missing:
        # Sorted, so that the same fonts give the same picture. The font of last resort
        # has only boxes.
        fonts = sorted(
            (f for f in manager.fontManager.ttflist if "Last Resort" not in f.name),
            key=lambda font: (font.style != "normal", font.weight != 400, font.name),
        )
        for font in fonts:
            found = _having(manager, [font.fname], missing)
            if found:
                families.append(font.name)
                missing -= found
            if not missing:
                break
    if missing:
        codes = ", ".join(_code_point(c) for c in sorted(missing)[:10])
        more = ", ..." if len(missing) > 10 else ""
        warn(
            f"No installed font has {len(missing)} of the characters, {codes}{more}; "
            "their code points are shown. Install a font for that script, for example "
            "of the Noto family, or add a file with "
            "matplotlib.font_manager.fontManager.addfont(path).",
        )
        shown = [_without(label, missing) for label in shown]
    return shown, families


def visible(token):
    """A token with its white space, marks and control characters made visible."""
    shown = "".join(map(_visible_character, str(token)))
    # A combining mark at the start needs a base character.
    return f"◌{shown}" if unicodedata.combining(shown[:1] or " ") else shown


def _visible_character(character):
    if character.isspace():
        return "␣"
    invisible = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")
    return _code_point(character) if invisible else character


def _without(label, missing):
    """A label with code points for the missing characters."""
    if len(label) == 1:
        return _code_point(label) if label in missing else label
    return "".join(f"<{_code_point(c)}>" if c in missing else c for c in label)


def _code_point(character):
    return f"U+{ord(character):04X}"


def _paths(manager, families):
    for family in families:
        try:
            yield manager.findfont(
                manager.FontProperties(family=family), fallback_to_default=False
            )
        except ValueError:
            continue


def _having(manager, paths, characters):
    """The characters for which one of the font files has a glyph."""
    found = set()
    for path in paths:
        try:
            font = manager.get_font(path)
        except (OSError, RuntimeError):
            continue
        found |= {c for c in characters if font.get_char_index(ord(c))}
    return found
