//! Shapes to SVG and PNG, through the backends of plotters.
//!
//! The backends know whole pixels only, so both draw on a finer grid than the picture shows. They
//! leave the drawing of letters to the caller, which is the other half of this module.

use ab_glyph::{Font as _, FontRef, PxScale, point};
use groktime::Error;
use plotters::prelude::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind, FontFamily, FontTransform,
};

use super::trace::Pixel;

/// Shapes, in groups with a common origin.
#[derive(Debug, Clone, Default)]
pub(super) struct Scene {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) groups: Vec<(Pixel, Vec<Shape>)>,
}

#[derive(Debug, Clone)]
pub(super) enum Shape {
    Rect { from: Pixel, to: Pixel, ink: Ink },
    Line { points: Vec<Pixel>, width: f64, ink: Ink },
    Polygon { points: Vec<Pixel>, ink: Ink },
    Disc { center: Pixel, radius: f64, ink: Ink },
    Text(Text),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Ink {
    pub(super) rgb: (u8, u8, u8),
    pub(super) opacity: f64,
}

/// A line of text; its capitals are centred on the height `at.1`.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) at: Pixel,
    pub(super) size: f64,
    pub(super) ink: Ink,
    pub(super) anchor: Anchor,
    /// Reads from bottom to top.
    pub(super) upwards: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// The embedded font, for the letters of the PNG and the widths of both formats.
pub(super) struct Font(FontRef<'static>);

const FONT_FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";
/// Heights in DejaVu Sans, in units of the font size: half of a capital, and half of an x.
const HALF_CAPITAL: f64 = 0.3645;
const HALF_X: f64 = 0.2735;
/// The SVG backend divides sizes by this.
const PLOTTERS_FONT_SCALE: f64 = 1.24;

impl Font {
    pub(super) fn load() -> Result<Self, Error> {
        FontRef::try_from_slice(include_bytes!("../../fonts/DejaVuSans-subset.ttf"))
            .map(Font)
            .map_err(|e| Error::Numerical { method: "drawing the chart", detail: e.to_string() })
    }

    pub(super) fn width(&self, text: &str, size: f64) -> f64 {
        let advance = |c| f64::from(self.0.h_advance_unscaled(self.0.glyph_id(c)));
        text.chars().map(advance).sum::<f64>() * size / self.units()
    }

    fn units(&self) -> f64 {
        f64::from(self.0.units_per_em().unwrap_or(2048.0))
    }

    /// Calls `dot` with the coverage of each pixel; the text starts at the origin, on the baseline.
    fn rasterize(&self, text: &str, size: f64, mut dot: impl FnMut(i32, i32, f64)) {
        let scale = PxScale::from((size * f64::from(self.0.height_unscaled()) / self.units()) as f32);
        let mut x = 0.0;
        for c in text.chars() {
            let id = self.0.glyph_id(c);
            let glyph = id.with_scale_and_position(scale, point(x as f32, 0.0));
            if let Some(outline) = self.0.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                outline.draw(|dx, dy, coverage| {
                    dot(corner.x as i32 + dx as i32, corner.y as i32 + dy as i32, f64::from(coverage));
                });
            }
            x += f64::from(self.0.h_advance_unscaled(id)) * size / self.units();
        }
    }
}

/// The SVG document.
pub(super) fn svg(scene: &Scene, font: &Font) -> Result<String, Error> {
    const GRID: f64 = 10.0;
    let mut document = String::new();
    let size = ((scene.width * GRID) as u32, (scene.height * GRID) as u32);
    let mut backend = SVGBackend::with_string(&mut document, size);
    Drawing { backend: &mut backend, grid: GRID, font, joins_lines: true }.scene(scene)?;
    backend.present().map_err(failed)?;
    drop(backend);
    // The backend's opening tag asks for one picture pixel per grid unit, and for pointed joints.
    let body = document.split_once('>').map_or("", |(_, body)| body);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {} {}\" \
         stroke-linejoin=\"round\" stroke-linecap=\"round\">{body}",
        scene.width, scene.height, size.0, size.1
    ))
}

/// The PNG file: twice the size of the SVG, drawn twice as large again and averaged, because the
/// backend smooths edges only roughly.
pub(super) fn png(scene: &Scene, font: &Font) -> Result<Vec<u8>, Error> {
    const OVERSAMPLING: usize = 2;
    const GRID: usize = 2 * OVERSAMPLING;
    let failed = |detail: String| Error::Numerical { method: "writing the PNG", detail };
    let (width, height) = (scene.width as usize * GRID, scene.height as usize * GRID);
    if width * height > 1 << 29 {
        return Err(failed(format!("{} × {} pixels are too many", width / 2, height / 2)));
    }
    let mut fine = vec![255; width * height * 3];
    {
        let mut backend = BitMapBackend::with_buffer(&mut fine, (width as u32, height as u32));
        Drawing { backend: &mut backend, grid: GRID as f64, font, joins_lines: false }.scene(scene)?;
    }
    let (columns, rows) = (width / OVERSAMPLING, height / OVERSAMPLING);
    let mut pixels = Vec::with_capacity(columns * rows * 3);
    for row in 0..rows {
        for column in 0..columns * 3 {
            let (pixel, channel) = (column / 3, column % 3);
            let mut sum = 0;
            for dy in 0..OVERSAMPLING {
                for dx in 0..OVERSAMPLING {
                    let at = (row * OVERSAMPLING + dy) * width + pixel * OVERSAMPLING + dx;
                    sum += usize::from(fine[at * 3 + channel]);
                }
            }
            pixels.push((sum / (OVERSAMPLING * OVERSAMPLING)) as u8);
        }
    }
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, columns as u32, rows as u32);
    encoder.set_color(png::ColorType::Rgb);
    // 192 dots per inch: shown at the size of the SVG where the reader heeds it.
    encoder.set_pixel_dims(Some(png::PixelDimensions { xppu: 7559, yppu: 7559, unit: png::Unit::Meter }));
    let written =
        encoder.write_header().and_then(|mut w| w.write_image_data(&pixels).and_then(|()| w.finish()));
    written.map_err(|e| failed(e.to_string()))?;
    Ok(bytes)
}

struct Drawing<'a, B> {
    backend: &'a mut B,
    /// Grid units of the backend per pixel.
    grid: f64,
    font: &'a Font,
    /// Whether the backend joins the segments of a line well. The bitmap backend's joints have spikes;
    /// there the segments are drawn one by one with round ends.
    joins_lines: bool,
}

impl<B: DrawingBackend> Drawing<'_, B> {
    fn scene(&mut self, scene: &Scene) -> Result<(), Error> {
        let white = Ink { rgb: (255, 255, 255), opacity: 1.0 };
        let paper = Shape::Rect { from: (0.0, 0.0), to: (scene.width, scene.height), ink: white };
        self.shape((0.0, 0.0), &paper).map_err(failed)?;
        for (origin, shapes) in &scene.groups {
            for shape in shapes {
                self.shape(*origin, shape).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn shape(&mut self, origin: Pixel, shape: &Shape) -> Result<(), DrawingErrorKind<B::ErrorType>> {
        let grid = self.grid;
        let place = |(x, y): &Pixel| -> BackendCoord {
            (((origin.0 + x) * grid).round() as i32, ((origin.1 + y) * grid).round() as i32)
        };
        match shape {
            Shape::Rect { from, to, ink } => {
                self.backend.draw_rect(place(from), place(to), &ink.color(), true)
            }
            Shape::Polygon { points, ink } => {
                self.backend.fill_polygon(points.iter().map(place), &ink.color())
            }
            Shape::Disc { center, radius, ink } => {
                let radius = (radius * grid).round() as u32;
                self.backend.draw_circle(place(center), radius, &ink.color(), true)
            }
            Shape::Line { points, width, ink } => {
                let pen = Pen { color: ink.color(), width: (width * grid).round() as u32 };
                let places: Vec<_> = points.iter().map(place).collect();
                self.line(&places, &pen)
            }
            Shape::Text(text) => {
                // The backends centre on the height of an x.
                let lower = (HALF_CAPITAL - HALF_X) * text.size;
                let (dx, dy) = if text.upwards { (lower, 0.0) } else { (0.0, lower) };
                let at = place(&(text.at.0 + dx, text.at.1 + dy));
                self.backend.draw_text(&text.text, &Letters { text, grid, font: self.font }, at)
            }
        }
    }

    fn line(&mut self, points: &[BackendCoord], pen: &Pen) -> Result<(), DrawingErrorKind<B::ErrorType>> {
        if points.len() < 2 || !self.joins_lines {
            for &point in points {
                self.backend.draw_circle(point, pen.width / 2, pen, true)?;
            }
        }
        if self.joins_lines && points.len() >= 2 {
            return self.backend.draw_path(points.iter().copied(), pen);
        }
        for segment in points.windows(2).filter(|s| s[0] != s[1]) {
            self.backend.draw_path(segment.iter().copied(), pen)?;
        }
        Ok(())
    }
}

impl Ink {
    fn color(self) -> BackendColor {
        BackendColor { rgb: self.rgb, alpha: self.opacity }
    }
}

struct Pen {
    color: BackendColor,
    width: u32,
}

impl BackendStyle for Pen {
    fn color(&self) -> BackendColor {
        self.color
    }

    fn stroke_width(&self) -> u32 {
        self.width
    }
}

struct Letters<'a> {
    text: &'a Text,
    grid: f64,
    font: &'a Font,
}

impl BackendTextStyle for Letters<'_> {
    type FontError = std::convert::Infallible;

    fn color(&self) -> BackendColor {
        self.text.ink.color()
    }

    fn size(&self) -> f64 {
        self.text.size * self.grid * PLOTTERS_FONT_SCALE
    }

    fn transform(&self) -> FontTransform {
        if self.text.upwards { FontTransform::Rotate270 } else { FontTransform::None }
    }

    fn anchor(&self) -> Pos {
        let horizontal = match self.text.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        Pos::new(horizontal, VPos::Center)
    }

    fn family(&self) -> FontFamily<'_> {
        FontFamily::Name(FONT_FAMILY)
    }

    /// Of no height: `draw` puts the text around the line it is centred on.
    fn layout_box(&self, text: &str) -> Result<((i32, i32), (i32, i32)), Self::FontError> {
        Ok(((0, 0), (self.font.width(text, self.text.size * self.grid).round() as i32, 0)))
    }

    fn draw<E, D: FnMut(i32, i32, BackendColor) -> Result<(), E>>(
        &self,
        text: &str,
        (x, y): BackendCoord,
        mut draw: D,
    ) -> Result<Result<(), E>, Self::FontError> {
        let size = self.text.size * self.grid;
        let baseline = y + (HALF_X * size).round() as i32;
        let mut outcome = Ok(());
        self.font.rasterize(text, size, |dx, dy, coverage| {
            if outcome.is_ok() {
                outcome = draw(x + dx, baseline + dy, self.color().mix(coverage));
            }
        });
        Ok(outcome)
    }
}

fn failed<E: std::error::Error + Send + Sync>(error: DrawingErrorKind<E>) -> Error {
    Error::Numerical { method: "drawing the chart", detail: error.to_string() }
}
