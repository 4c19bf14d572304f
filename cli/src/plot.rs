//! Line charts and diagrams of tiles as SVG and PNG: plain data in, one file out.
//!
//! A figure is first laid out as a list of shapes (`layout`, with `axis` for ranges and ticks and
//! `trace` for the curves), then drawn (`render`). Both formats draw the same list.

mod axis;
mod layout;
mod render;
mod trace;

use std::path::Path;

use groktime::data::files::write_whole;
use groktime::{Error, Result};

/// A grid of panels, filled row by row, under one title.
#[derive(Debug, Clone, Default)]
pub struct Figure {
    pub title: String,
    pub panels: Vec<Panel>,
    /// Panels side by side; 0 counts as 1.
    pub columns: usize,
    /// Text below the figure, wrapped to its width; a line break starts a new line.
    pub caption: Option<String>,
}

/// One pair of axes with what is drawn between them.
#[derive(Debug, Clone, Default)]
pub struct Panel {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub curves: Vec<Curve>,
    pub markers: Vec<Marker>,
}

/// A label, a scale and what part of it to show.
#[derive(Debug, Clone, Default)]
pub struct Axis {
    pub label: String,
    pub scale: Scale,
    /// Lowest and highest value shown; `None`, or a range the scale cannot show, fits the data.
    pub range: Option<(f64, f64)>,
}

/// How values are spread along an axis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scale {
    #[default]
    Linear,
    Log,
    /// The values already are decimal logarithms (of numbers that may not fit in an `f64`); only the
    /// tick labels are written as powers of ten.
    Log10Values,
}

/// Points joined in their order. A point that the axes cannot show (not finite, or not positive on a
/// logarithmic axis) is left out and interrupts the line.
#[derive(Debug, Clone, Default)]
pub struct Curve {
    /// Legend entry; a curve without a name has none.
    pub name: String,
    pub points: Vec<(f64, f64)>,
    pub style: Style,
    pub color: Color,
    /// The lowest and highest value at each point, drawn as a shaded band behind the curve.
    pub band: Option<Vec<(f64, f64)>>,
}

/// How the points of a curve are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Style {
    #[default]
    Solid,
    Dashed,
    Dotted,
    Points,
    LineAndPoints,
    /// The area is divided into equal tiles; each point fills the one it lies in.
    Tiles {
        columns: u16,
        rows: u16,
    },
}

/// The colours of Okabe and Ito, which colour-blind readers can tell apart (less yellow, too light
/// for a line on white).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Color {
    #[default]
    Blue,
    Vermillion,
    Green,
    Purple,
    Orange,
    Sky,
    Black,
}

impl Color {
    /// The colour of the `index`-th of many curves; they repeat.
    pub fn nth(index: usize) -> Self {
        use Color::*;
        [Blue, Vermillion, Green, Purple, Orange, Sky, Black][index % 7]
    }

    fn rgb(self) -> (u8, u8, u8) {
        match self {
            Color::Blue => (0, 114, 178),
            Color::Vermillion => (213, 94, 0),
            Color::Green => (0, 158, 115),
            Color::Purple => (204, 121, 167),
            Color::Orange => (230, 159, 0),
            Color::Sky => (86, 180, 233),
            Color::Black => (0, 0, 0),
        }
    }
}

/// A vertical line with a label above the plot. It does not widen the range of the axis: outside of
/// it, it is not drawn.
#[derive(Debug, Clone, Default)]
pub struct Marker {
    pub at: f64,
    pub label: String,
    pub color: Color,
}

/// The figure as an SVG document.
pub fn render_svg(figure: &Figure) -> Result<String> {
    let font = render::Font::load()?;
    render::svg(&layout::figure(figure, &font), &font)
}

/// The figure as a PNG file, two pixels for each unit of the SVG.
pub fn render_png(figure: &Figure) -> Result<Vec<u8>> {
    let font = render::Font::load()?;
    render::png(&layout::figure(figure, &font), &font)
}

/// Writes the figure in the format that the extension names (`.svg` or `.png`), whole or not at all.
pub fn write(figure: &Figure, path: &Path) -> Result<()> {
    let failed = |reason: String| Error::File { path: path.to_owned(), line: None, reason };
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let bytes = match extension.as_deref() {
        Some("svg") => render_svg(figure)?.into_bytes(),
        Some("png") => render_png(figure)?,
        _ => return Err(failed("a chart is written as .svg or .png".to_owned())),
    };
    write_whole(path, |file| file.write_all(&bytes))
}

#[cfg(test)]
mod tests;
