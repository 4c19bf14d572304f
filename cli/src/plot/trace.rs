//! From the points of a curve to the strokes of a pen inside the plot area.

use super::axis::Range;

/// A place in the picture, in pixels of the SVG.
pub(super) type Pixel = (f64, f64);

/// The rectangle between the axes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Area {
    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(super) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    pub(super) fn widened(&self, by: f64) -> Area {
        Area { left: self.left - by, top: self.top - by, right: self.right + by, bottom: self.bottom + by }
    }

    pub(super) fn contains(&self, (x, y): Pixel) -> bool {
        (self.left..=self.right).contains(&x) && (self.top..=self.bottom).contains(&y)
    }
}

/// The plot area with the ranges of its axes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) area: Area,
    pub(super) x: Range,
    pub(super) y: Range,
}

impl Frame {
    pub(super) fn pixel(&self, (x, y): (f64, f64)) -> Option<Pixel> {
        let Area { left, bottom, .. } = self.area;
        Some((
            left + self.x.fraction(x)? * self.area.width(),
            bottom - self.y.fraction(y)? * self.area.height(),
        ))
    }

    /// The tile that a point lies in, of so many columns and rows.
    pub(super) fn tile(&self, point: (f64, f64), (columns, rows): (u16, u16)) -> Option<Area> {
        let (x, y) = self.pixel(point).filter(|&p| self.area.contains(p))?;
        let (width, height) =
            (self.area.width() / f64::from(columns.max(1)), self.area.height() / f64::from(rows.max(1)));
        let left = self.area.left + ((x - self.area.left) / width).floor() * width;
        let top = self.area.top + ((y - self.area.top) / height).floor() * height;
        Some(Area { left, top, right: left + width, bottom: top + height })
    }

    /// The lines through the points inside the area, broken where a point cannot be shown.
    pub(super) fn lines(&self, points: &[(f64, f64)]) -> Vec<Vec<Pixel>> {
        runs(points.iter().map(|&p| self.pixel(p)))
            .flat_map(|run| clip_line(&thin(run), &self.area))
            .collect()
    }

    /// The points inside the area; of those at the same place only the first.
    pub(super) fn dots(&self, points: &[(f64, f64)]) -> Vec<Pixel> {
        let mut seen = std::collections::HashSet::new();
        points
            .iter()
            .filter_map(|&p| self.pixel(p))
            .filter(|&p| self.area.contains(p))
            .filter(|&(x, y)| points.len() < 1000 || seen.insert(((x / 2.0) as i32, (y / 2.0) as i32)))
            .collect()
    }

    /// The outline of a band of low and high values around the points. A low end below everything the
    /// axis can show (0 on a logarithmic axis) reaches down to the edge.
    pub(super) fn band(&self, points: &[(f64, f64)], band: &[(f64, f64)]) -> Vec<Vec<Pixel>> {
        let edge = self.area.bottom + 1.0;
        let ends = points.iter().zip(band).map(|(&(x, _), &(low, high))| {
            let top = self.pixel((x, high))?;
            let bottom = self.pixel((x, low)).map(|p| p.1).or((low <= 0.0).then_some(edge))?;
            Some((top.0, (top.1, bottom)))
        });
        runs(ends)
            .map(|run| {
                let top = thin(run.iter().map(|&(x, (top, _))| (x, top)).collect());
                let bottom = thin(run.iter().map(|&(x, (_, bottom))| (x, bottom)).collect());
                clip_polygon(top.into_iter().chain(bottom.into_iter().rev()).collect(), &self.area)
            })
            .filter(|outline| outline.len() > 2)
            .collect()
    }
}

/// Splits at the gaps.
fn runs<T>(mut items: impl Iterator<Item = Option<T>>) -> impl Iterator<Item = Vec<T>> {
    let mut exhausted = false;
    std::iter::from_fn(move || {
        while !exhausted {
            let mut run = vec![];
            exhausted = loop {
                match items.next() {
                    None => break true,
                    Some(None) => break false,
                    Some(Some(item)) => run.push(item),
                }
            };
            if !run.is_empty() {
                return Some(run);
            }
        }
        None
    })
}

/// Of the neighbours within half a pixel of width keeps the first, the last and the extremes: the drawn
/// line covers the same pixels.
fn thin(run: Vec<Pixel>) -> Vec<Pixel> {
    if run.len() < 1000 {
        return run;
    }
    let column = |p: &Pixel| (p.0 * 2.0).floor();
    run.chunk_by(|a, b| column(a) == column(b))
        .flat_map(|group| {
            let indices = 0..group.len();
            let lowest = indices.clone().min_by(|&i, &j| group[i].1.total_cmp(&group[j].1)).unwrap_or(0);
            let highest = indices.max_by(|&i, &j| group[i].1.total_cmp(&group[j].1)).unwrap_or(0);
            let mut kept = vec![0, lowest, highest, group.len() - 1];
            kept.sort_unstable();
            kept.dedup();
            kept.into_iter().map(|i| group[i])
        })
        .collect()
}

/// The parts of a line inside the area.
fn clip_line(line: &[Pixel], area: &Area) -> Vec<Vec<Pixel>> {
    if let [only] = line {
        return if area.contains(*only) { vec![vec![*only]] } else { vec![] };
    }
    let mut parts: Vec<Vec<Pixel>> = vec![];
    for segment in line.windows(2) {
        let Some((from, to)) = clip_segment(segment[0], segment[1], area) else { continue };
        match parts.last_mut() {
            Some(part) if part.last() == Some(&from) => part.push(to),
            _ => parts.push(vec![from, to]),
        }
    }
    parts
}

/// Liang and Barsky: the parameters between which the segment is inside all four edges.
fn clip_segment(from: Pixel, to: Pixel, area: &Area) -> Option<(Pixel, Pixel)> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let edges = [
        (-dx, from.0 - area.left),
        (dx, area.right - from.0),
        (-dy, from.1 - area.top),
        (dy, area.bottom - from.1),
    ];
    let (mut start, mut end) = (0.0_f64, 1.0_f64);
    for (outward, room) in edges {
        if outward < 0.0 {
            start = start.max(room / outward);
        } else if outward > 0.0 {
            end = end.min(room / outward);
        } else if room < 0.0 {
            return None;
        }
    }
    // The ends themselves are kept exactly, so that the next segment is seen to go on from there.
    let at = |t: f64| match t {
        0.0 => from,
        1.0 => to,
        _ => (from.0 + t * dx, from.1 + t * dy),
    };
    (start <= end).then(|| (at(start), at(end)))
}

/// Sutherland and Hodgman: cuts the polygon at one edge after the other.
fn clip_polygon(mut polygon: Vec<Pixel>, area: &Area) -> Vec<Pixel> {
    let depths: [&dyn Fn(Pixel) -> f64; 4] =
        [&|p| p.0 - area.left, &|p| area.right - p.0, &|p| p.1 - area.top, &|p| area.bottom - p.1];
    for depth in depths {
        let mut cut = vec![];
        for (i, &to) in polygon.iter().enumerate() {
            let from = polygon[(i + polygon.len() - 1) % polygon.len()];
            let (a, b) = (depth(from), depth(to));
            if (a < 0.0) != (b < 0.0) {
                let t = a / (a - b);
                cut.push((from.0 + t * (to.0 - from.0), from.1 + t * (to.1 - from.1)));
            }
            if b >= 0.0 {
                cut.push(to);
            }
        }
        polygon = cut;
    }
    polygon
}

/// Cuts a line into dashes of the length `on`, `off` apart.
pub(super) fn dashes(line: &[Pixel], on: f64, off: f64) -> Vec<Vec<Pixel>> {
    let mut dashes = vec![];
    let mut dash: Vec<Pixel> = line.first().copied().into_iter().collect();
    let (mut drawing, mut left) = (true, on);
    for segment in line.windows(2) {
        let (from, to) = (segment[0], segment[1]);
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let mut done = 0.0;
        while length - done > left {
            done += left;
            let t = done / length;
            let here = (from.0 + t * (to.0 - from.0), from.1 + t * (to.1 - from.1));
            if drawing {
                dash.push(here);
                dashes.push(std::mem::take(&mut dash));
            } else {
                dash = vec![here];
            }
            drawing = !drawing;
            left = if drawing { on } else { off };
        }
        left -= length - done;
        if drawing {
            dash.push(to);
        }
    }
    if drawing && dash.len() > 1 {
        dashes.push(dash);
    }
    dashes
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Area = Area { left: 0.0, top: 0.0, right: 100.0, bottom: 50.0 };

    #[test]
    fn lines_end_at_the_edge() {
        let line = [(-50.0, 25.0), (50.0, 25.0), (50.0, 1e6), (60.0, 1e6), (60.0, 10.0)];
        assert_eq!(
            clip_line(&line, &AREA),
            [vec![(0.0, 25.0), (50.0, 25.0), (50.0, 50.0)], vec![(60.0, 50.0), (60.0, 10.0)]]
        );
        assert!(clip_line(&[(-5.0, -5.0), (200.0, -5.0)], &AREA).is_empty());
    }

    #[test]
    fn polygons_are_cut() {
        let cut = clip_polygon(vec![(-10.0, 10.0), (110.0, 10.0), (110.0, 1e6), (-10.0, 1e6)], &AREA);
        assert!(cut.iter().all(|&p| AREA.contains(p)));
        assert_eq!(cut.len(), 4);
    }

    #[test]
    fn thinning_keeps_the_extremes() {
        let mut run: Vec<Pixel> = (0..1_000_000).map(|i| (i as f64 * 5e-4, 10.0)).collect();
        run[345_678].1 = 49.0;
        let thinned = thin(run.clone());
        assert!(thinned.len() <= 4000);
        assert!(thinned.contains(&run[345_678]) && thinned.contains(&run[999_999]) && thinned[0] == run[0]);
    }

    #[test]
    fn dashes_cover_their_share() {
        let line: Vec<Pixel> = (0..=200).map(|i| (i as f64 * 0.5, 0.0)).collect();
        let cut = dashes(&line, 6.0, 4.0);
        assert_eq!(cut.len(), 10);
        assert!(cut.iter().all(|d| (d[d.len() - 1].0 - d[0].0 - 6.0).abs() < 1e-9));
    }
}
