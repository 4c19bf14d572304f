//! Where everything goes: a figure as a list of shapes.

use super::axis::{Range, Ticks};
use super::render::{Anchor, Font, Ink, Scene, Shape, Text};
use super::trace::{Area, Frame, Pixel, dashes};
use super::{Curve, Figure, Marker, Panel, Style};

const CELL: (f64, f64) = (640.0, 420.0);
const LEFT: f64 = 84.0;
const RIGHT: f64 = 26.0;
const BOTTOM: f64 = 62.0;
const MARGIN: f64 = 16.0;

const FIGURE_TITLE: f64 = 17.0;
const PANEL_TITLE: f64 = 14.5;
const LABEL: f64 = 13.5;
const SMALL: f64 = 12.5;
/// Height of a line of small text.
const LINE: f64 = 18.0;

const STROKE: f64 = 2.0;
const DOT: f64 = 3.2;
/// Length of the sample of a curve in the legend, with the gap to its name.
const SAMPLE: f64 = 36.0;

const TEXT: Ink = Ink { rgb: (34, 34, 34), opacity: 1.0 };
const FAINT: Ink = Ink { rgb: (110, 110, 110), opacity: 1.0 };
const EDGE: Ink = Ink { rgb: (90, 90, 90), opacity: 1.0 };
const GRID: Ink = Ink { rgb: (228, 228, 228), opacity: 1.0 };
const VEIL: Ink = Ink { rgb: (255, 255, 255), opacity: 0.85 };

pub(super) fn figure(figure: &Figure, font: &Font) -> Scene {
    let columns = figure.columns.clamp(1, figure.panels.len().max(1));
    let width = columns as f64 * CELL.0;
    let mut groups = vec![];
    let mut y = MARGIN / 2.0;
    let mut paragraph = |text: &str, size: f64, ink: Ink, centred: bool, y: &mut f64| {
        let (x, anchor) = if centred {
            ((LEFT + width - RIGHT) / 2.0, Anchor::Middle)
        } else {
            (2.0 * MARGIN, Anchor::Start)
        };
        let lines = wrap(text, size, width - 4.0 * MARGIN, font);
        let height = size * 1.45;
        let shapes = lines
            .iter()
            .enumerate()
            .map(|(i, line)| write(line, (x, (i as f64 + 0.5) * height), size, ink, anchor));
        groups.push(((0.0, *y), shapes.collect()));
        *y += lines.len() as f64 * height;
    };
    if !figure.title.trim().is_empty() {
        y += MARGIN / 2.0;
        paragraph(&figure.title, FIGURE_TITLE, TEXT, true, &mut y);
    }
    let mut cells = vec![];
    for row in figure.panels.chunks(columns) {
        let row: Vec<_> = row.iter().map(|p| panel(p, font)).collect();
        let height = row.iter().fold(0.0, |h: f64, (_, cell)| h.max(*cell));
        cells.extend(row.into_iter().enumerate().map(|(i, (shapes, _))| ((i as f64 * CELL.0, y), shapes)));
        y += height;
    }
    if let Some(caption) = figure.caption.as_deref().filter(|c| !c.trim().is_empty()) {
        y += MARGIN / 2.0;
        paragraph(caption, LABEL, EDGE, false, &mut y);
    }
    groups.append(&mut cells);
    Scene { width, height: (y + MARGIN).ceil(), groups }
}

/// The shapes of a panel and its height.
fn panel(panel: &Panel, font: &Font) -> (Vec<Shape>, f64) {
    let (x, y) = ranges(panel);
    let tall = CELL.1 - BOTTOM;
    // Where the area begins depends on the tick labels; so these are chosen for an area a bit smaller.
    let y_ticks = y.ticks(tall * 0.8, |_| SMALL * 1.5);
    let widest = y_ticks.major.iter().fold(0.0, |w: f64, (_, l)| w.max(font.width(l, SMALL)));
    let left = LEFT.max(widest + 46.0).round();
    let right = CELL.0 - RIGHT;
    let labels = marker_labels(&panel.markers, &x, left, right, font);
    let rows = labels.iter().filter_map(|l| l.row).max().map_or(0, |r| r + 1) as f64;
    let title = if panel.title.trim().is_empty() { MARGIN } else { 36.0 };
    let area = Area { left, top: title + rows * LINE, right, bottom: tall };
    let frame = Frame { area, x, y };
    let x_ticks = x.ticks(area.width(), |l| font.width(l, SMALL) + 20.0);

    let mut shapes = axes(panel, &area, &x_ticks, &y_ticks, font);
    let centre = (left + right) / 2.0;
    shapes.push(write(
        &shorten(&panel.title, PANEL_TITLE, area.width(), font),
        (centre, title / 2.0),
        PANEL_TITLE,
        TEXT,
        Anchor::Middle,
    ));
    for label in &labels {
        label.draw(&area, &mut shapes);
    }
    let mut covered = vec![];
    let drawn: Vec<_> = panel.curves.iter().map(|c| curve(c, &frame, &mut covered)).collect();
    let drawable = |c: &Curve| c.points.iter().any(|&p| frame.pixel(p).is_some());
    if !panel.curves.iter().any(drawable) {
        let middle = (centre, (area.top + area.bottom) / 2.0);
        shapes.push(write("no data", middle, PANEL_TITLE, FAINT, Anchor::Middle));
    }
    // All bands lie behind all lines.
    let (bands, lines): (Vec<_>, Vec<_>) = drawn.into_iter().unzip();
    shapes.extend(bands.into_iter().flatten().chain(lines.into_iter().flatten()));
    shapes.extend(outline(&area, EDGE));
    let entries: Vec<Entry> = panel
        .curves
        .iter()
        .filter(|c| !c.name.trim().is_empty())
        .map(|c| Entry {
            curve: c,
            name: if drawable(c) { c.name.clone() } else { format!("{} (no data)", c.name) },
        })
        .collect();
    let below = legend(&entries, &area, &covered, &labels, font, &mut shapes);
    (shapes, CELL.1 + below)
}

fn ranges(panel: &Panel) -> (Range, Range) {
    let points = || panel.curves.iter().flat_map(|c| c.points.iter().copied());
    let visible = |&(_, y): &(f64, f64)| panel.y.scale.position(y).is_some();
    let x = Range::new(&panel.x, points().filter(visible).map(|p| p.0), 0.02);
    let ends = panel.curves.iter().flat_map(|c| {
        let band = c.points.iter().zip(c.band.iter().flatten());
        band.flat_map(|(p, b)| [(p.0, b.0), (p.0, b.1)])
    });
    let y = Range::new(&panel.y, points().chain(ends).filter(|p| x.contains(p.0)).map(|p| p.1), 0.05);
    (x, y)
}

/// Grid, ticks, tick labels and axis labels.
fn axes(panel: &Panel, area: &Area, x: &Ticks, y: &Ticks, font: &Font) -> Vec<Shape> {
    let mut shapes = vec![];
    let across = |f: f64| area.left + f * area.width();
    let up = |f: f64| area.bottom - f * area.height();
    for (f, _) in &x.major {
        shapes.push(vertical(across(*f), area.top, area.bottom, GRID));
    }
    for (f, _) in &y.major {
        shapes.push(horizontal(up(*f), area.left, area.right, GRID));
    }
    for &f in &x.minor {
        shapes.push(vertical(across(f), area.bottom, area.bottom + 3.0, EDGE));
    }
    for &f in &y.minor {
        shapes.push(horizontal(up(f), area.left - 3.0, area.left, EDGE));
    }
    for (f, label) in &x.major {
        shapes.push(vertical(across(*f), area.bottom, area.bottom + 6.0, EDGE));
        shapes.push(write(label, (across(*f), area.bottom + 17.0), SMALL, TEXT, Anchor::Middle));
    }
    for (f, label) in &y.major {
        shapes.push(horizontal(up(*f), area.left - 6.0, area.left, EDGE));
        shapes.push(write(label, (area.left - 10.0, up(*f)), SMALL, TEXT, Anchor::End));
    }
    let label = shorten(&panel.x.label, LABEL, area.width(), font);
    let centre = (area.left + area.right) / 2.0;
    shapes.push(write(&label, (centre, area.bottom + 41.0), LABEL, TEXT, Anchor::Middle));
    let label = shorten(&panel.y.label, LABEL, area.height(), font);
    let middle = (18.0, (area.top + area.bottom) / 2.0);
    let Shape::Text(text) = write(&label, middle, LABEL, TEXT, Anchor::Middle) else { return shapes };
    shapes.push(Shape::Text(Text { upwards: true, ..text }));
    shapes
}

/// The band and the strokes of a curve. Adds the places that a legend should leave free to `covered`.
fn curve(curve: &Curve, frame: &Frame, covered: &mut Vec<Pixel>) -> (Vec<Shape>, Vec<Shape>) {
    let ink = Ink { rgb: curve.color.rgb(), opacity: 1.0 };
    let outlines = curve.band.as_ref().map(|b| frame.band(&curve.points, b)).unwrap_or_default();
    outlines.iter().for_each(|o| cover(o, covered));
    let bands =
        outlines.into_iter().map(|points| Shape::Polygon { points, ink: Ink { opacity: 0.2, ..ink } });
    let mut strokes = vec![];
    if let Style::Tiles { columns, rows } = curve.style {
        let tiles = curve.points.iter().filter_map(|&p| frame.tile(p, (columns, rows)));
        for Area { left, top, right, bottom } in tiles {
            covered.push(((left + right) / 2.0, (top + bottom) / 2.0));
            strokes.push(Shape::Rect { from: (left, top), to: (right, bottom), ink });
        }
        return (bands.collect(), strokes);
    }
    if curve.style != Style::Points {
        for line in frame.lines(&curve.points) {
            cover(&line, covered);
            stroke(line, curve.style, ink, &mut strokes);
        }
    }
    if matches!(curve.style, Style::Points | Style::LineAndPoints) {
        let dots = frame.dots(&curve.points);
        covered.extend(&dots);
        strokes.extend(dots.into_iter().map(|center| Shape::Disc { center, radius: DOT, ink }));
    }
    (bands.collect(), strokes)
}

/// Places along a line, dense enough to meet every box that the line crosses visibly.
fn cover(line: &[Pixel], covered: &mut Vec<Pixel>) {
    covered.extend(line.first());
    for segment in line.windows(2) {
        let (from, to) = (segment[0], segment[1]);
        let pieces = ((to.0 - from.0).hypot(to.1 - from.1) / 4.0).ceil().max(1.0);
        let at = |i: f64| (from.0 + (to.0 - from.0) * i / pieces, from.1 + (to.1 - from.1) * i / pieces);
        covered.extend((1..=pieces as usize).map(|i| at(i as f64)));
    }
}

fn stroke(line: Vec<Pixel>, style: Style, ink: Ink, shapes: &mut Vec<Shape>) {
    if let [only] = line[..] {
        return shapes.push(Shape::Disc { center: only, radius: DOT, ink });
    }
    let length: f64 = line.windows(2).map(|s| (s[1].0 - s[0].0).hypot(s[1].1 - s[0].1)).sum();
    // A line that goes up and down at every pixel is an area; dashes would not show.
    match style {
        Style::Dashed if length < 2e4 => {
            let dashes = dashes(&line, 6.5, 5.5).into_iter();
            shapes.extend(dashes.map(|points| Shape::Line { points, width: STROKE, ink }));
        }
        Style::Dotted if length < 2e4 => {
            let starts = dashes(&line, 0.01, 5.0).into_iter().map(|d| d[0]);
            shapes.extend(starts.map(|center| Shape::Disc { center, radius: 1.3, ink }));
        }
        _ => shapes.push(Shape::Line { points: line, width: STROKE, ink }),
    }
}

/// A marker in the range of the axis, with its label in a row above the plot if one has room.
struct MarkerLabel<'a> {
    marker: &'a Marker,
    text: String,
    x: f64,
    centre: f64,
    row: Option<usize>,
}

fn marker_labels<'a>(
    markers: &'a [Marker],
    x: &Range,
    left: f64,
    right: f64,
    font: &Font,
) -> Vec<MarkerLabel<'a>> {
    const ROWS: usize = 4;
    let mut labels: Vec<_> = markers
        .iter()
        .filter(|m| x.contains(m.at))
        .filter_map(|marker| {
            let x = left + x.fraction(marker.at)? * (right - left);
            let text = shorten(&marker.label, SMALL, right - left, font);
            Some(MarkerLabel { marker, text, x, centre: x, row: None })
        })
        .collect();
    labels.sort_by(|a, b| a.x.total_cmp(&b.x));
    let mut ends = [f64::NEG_INFINITY; ROWS];
    for label in labels.iter_mut().filter(|l| !l.text.is_empty()) {
        let half = font.width(&label.text, SMALL) / 2.0;
        label.centre = label.x.clamp(half + 4.0, CELL.0 - half - 4.0);
        label.row = ends.iter().position(|&end| label.centre - half > end + 10.0);
        if let Some(row) = label.row {
            ends[row] = label.centre + half;
        }
    }
    labels
}

impl MarkerLabel<'_> {
    fn draw(&self, area: &Area, shapes: &mut Vec<Shape>) {
        let ink = Ink { rgb: self.marker.color.rgb(), opacity: 1.0 };
        // Letters are thin; the lighter colours need more contrast than in lines.
        let (r, g, b) = ink.rgb;
        let dark = Ink { rgb: (r / 4 * 3, g / 4 * 3, b / 4 * 3), ..ink };
        let line = [(self.x, area.top), (self.x, area.bottom)];
        let dashes = dashes(&line, 4.0, 4.0).into_iter();
        shapes.extend(dashes.map(|points| Shape::Line { points, width: 1.25, ink }));
        if let Some(row) = self.row {
            let height = area.top - 10.0 - row as f64 * LINE;
            shapes.push(write(&self.text, (self.centre, height), SMALL, dark, Anchor::Middle));
        }
    }
}

struct Entry<'a> {
    curve: &'a Curve,
    name: String,
}

impl Entry<'_> {
    fn draw(&self, (x, y): Pixel, shapes: &mut Vec<Shape>) {
        let ink = Ink { rgb: self.curve.color.rgb(), opacity: 1.0 };
        let end = x + SAMPLE - 8.0;
        if self.curve.band.is_some() {
            let ink = Ink { opacity: 0.2, ..ink };
            shapes.push(Shape::Rect { from: (x, y - 6.0), to: (end, y + 6.0), ink });
        }
        match self.curve.style {
            Style::Points => {}
            Style::Tiles { .. } => {
                shapes.push(Shape::Rect { from: (x + 6.0, y - 6.0), to: (end, y + 6.0), ink });
            }
            style => stroke(vec![(x, y), (end, y)], style, ink, shapes),
        }
        if matches!(self.curve.style, Style::Points | Style::LineAndPoints) {
            shapes.push(Shape::Disc { center: ((x + end) / 2.0, y), radius: DOT, ink });
        }
        shapes.push(write(&self.name, (x + SAMPLE, y), SMALL, TEXT, Anchor::Start));
    }
}

/// Draws the legend into a free place of the area, or else below it; says how much room that takes.
fn legend(
    entries: &[Entry],
    area: &Area,
    covered: &[Pixel],
    markers: &[MarkerLabel],
    font: &Font,
    shapes: &mut Vec<Shape>,
) -> f64 {
    const INSET: f64 = 10.0;
    if entries.is_empty() {
        return 0.0;
    }
    let names: Vec<_> =
        entries.iter().map(|e| shorten(&e.name, SMALL, area.width() - 2.0 * SAMPLE, font)).collect();
    let widths: Vec<_> = names.iter().map(|n| SAMPLE + font.width(n, SMALL)).collect();
    let entries: Vec<_> = entries.iter().zip(names).map(|(e, name)| Entry { name, ..*e }).collect();

    let width = widths.iter().copied().fold(0.0, f64::max) + 16.0;
    let height = entries.len() as f64 * LINE + 10.0;
    let fits = width < area.width() * 0.7 && height < area.height() * 0.8;
    // The corners first, then anywhere.
    let corners = [(1.0, 0.0), (0.0, 0.0), (1.0, 1.0), (0.0, 1.0)];
    let anywhere =
        (0..=12).flat_map(|down| (0..=12).map(move |across| (across as f64 / 12.0, down as f64 / 12.0)));
    let free = corners
        .into_iter()
        .chain(anywhere)
        .map(|(across, down)| {
            let left = area.left + INSET + across * (area.width() - 2.0 * INSET - width);
            let top = area.top + INSET + down * (area.height() - 2.0 * INSET - height);
            let (left, top) = (left.round(), top.round());
            Area { left, top, right: left + width.round(), bottom: top + height }
        })
        .filter(|spot| {
            let near = spot.widened(6.0);
            fits && !covered.iter().any(|&p| near.contains(p))
        })
        .min_by_key(|spot| markers.iter().filter(|m| (spot.left..spot.right).contains(&m.x)).count());
    if let Some(spot) = free {
        shapes.push(Shape::Rect { from: (spot.left, spot.top), to: (spot.right, spot.bottom), ink: VEIL });
        shapes.extend(outline(&spot, Ink { rgb: (205, 205, 205), opacity: 1.0 }));
        for (i, entry) in entries.iter().enumerate() {
            entry.draw((spot.left + 8.0, spot.top + 5.0 + (i as f64 + 0.5) * LINE), shapes);
        }
        return 0.0;
    }
    let gap = 24.0;
    let rows = flow(&widths, CELL.0 - 2.0 * MARGIN, gap);
    for (i, row) in rows.iter().enumerate() {
        let total = widths[row.clone()].iter().sum::<f64>() + gap * (row.len() as f64 - 1.0);
        // Under the middle of the area, unless it would then leave the panel.
        let middle = (area.left + area.right) / 2.0;
        let mut x = (middle - total / 2.0).min(CELL.0 - MARGIN - total).max(MARGIN);
        for index in row.clone() {
            entries[index].draw((x, CELL.1 + 4.0 + i as f64 * (LINE + 2.0)), shapes);
            x += widths[index] + gap;
        }
    }
    rows.len() as f64 * (LINE + 2.0) + 8.0
}

/// Splits items of these widths into rows of at most this width.
fn flow(widths: &[f64], limit: f64, gap: f64) -> Vec<std::ops::Range<usize>> {
    let mut rows: Vec<std::ops::Range<usize>> = vec![];
    let mut used = f64::INFINITY;
    for (index, width) in widths.iter().enumerate() {
        match rows.last_mut() {
            Some(row) if used + gap + width <= limit => {
                row.end = index + 1;
                used += gap + width;
            }
            _ => {
                rows.push(index..index + 1);
                used = *width;
            }
        }
    }
    rows
}

fn write(text: &str, at: Pixel, size: f64, ink: Ink, anchor: Anchor) -> Shape {
    Shape::Text(Text { text: text.to_owned(), at, size, ink, anchor, upwards: false })
}

/// One pixel wide, and on whole pixels, so that it is not blurred.
fn vertical(x: f64, top: f64, bottom: f64, ink: Ink) -> Shape {
    Shape::Rect { from: (x.floor(), top), to: (x.floor() + 1.0, bottom), ink }
}

fn horizontal(y: f64, left: f64, right: f64, ink: Ink) -> Shape {
    Shape::Rect { from: (left, y.floor()), to: (right, y.floor() + 1.0), ink }
}

fn outline(area: &Area, ink: Ink) -> [Shape; 4] {
    let Area { left, top, right, bottom } = *area;
    [
        vertical(left, top, bottom + 1.0, ink),
        vertical(right, top, bottom + 1.0, ink),
        horizontal(top, left, right, ink),
        horizontal(bottom, left, right, ink),
    ]
}

/// The text on one line of at most this width, its end replaced by "…" if need be.
fn shorten(text: &str, size: f64, width: f64, font: &Font) -> String {
    let mut line: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if font.width(&line, size) <= width {
        return line;
    }
    while line.pop().is_some() {
        if font.width(&line, size) + font.width("…", size) <= width {
            break;
        }
    }
    line + "…"
}

/// The text on lines of at most this width.
fn wrap(text: &str, size: f64, width: f64, font: &Font) -> Vec<String> {
    let mut lines = vec![];
    for paragraph in text.trim().lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if line.is_empty() || font.width(&longer, size) <= width {
                line = longer;
            } else {
                lines.push(shorten(&line, size, width, font));
                line = word.to_owned();
            }
        }
        lines.push(shorten(&line, size, width, font));
    }
    lines
}
