use super::*;

fn curve(points: Vec<(f64, f64)>, style: Style) -> Curve {
    Curve { name: "curve".to_owned(), points, style, ..Curve::default() }
}

fn figure(curves: Vec<Curve>, scale: Scale) -> Figure {
    let axis = |label: &str| Axis { label: label.to_owned(), scale, range: None };
    let panel =
        Panel { title: "Panel".to_owned(), x: axis("time"), y: axis("loss"), curves, markers: vec![] };
    Figure { title: "Figure".to_owned(), panels: vec![panel], columns: 1, caption: None }
}

fn example() -> Figure {
    let points = (0..200).map(|i| 10_f64.powf(i as f64 / 25.0)).map(|t| (t, 3.0 / t + 1e-3)).collect();
    let mut figure = figure(vec![curve(points, Style::Dashed)], Scale::Log);
    figure.panels[0].markers.push(Marker { at: 1e4, label: "t₂".to_owned(), color: Color::Purple });
    figure.caption = Some("η = 0.1, λ ≤ 10⁻³ & <tags>".to_owned());
    figure
}

/// Pixels of the picture that are darker than mid-grey, in a rectangle in units of the SVG.
fn dark_pixels(png: &[u8], x: std::ops::Range<usize>, y: std::ops::Range<usize>) -> usize {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let width = reader.next_frame(&mut pixels).unwrap().width as usize;
    let dark = |x: usize, y: usize| pixels[(y * width + x) * 3..][..3].iter().all(|&c| c < 128);
    (2 * y.start..2 * y.end)
        .flat_map(|y| (2 * x.start..2 * x.end).map(move |x| (x, y)))
        .filter(|&(x, y)| dark(x, y))
        .count()
}

#[test]
fn text_is_drawn_in_the_png() {
    let png = render_png(&example()).unwrap();
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    assert!(dark_pixels(&png, 280..360, 12..40) > 100, "figure title");
    assert!(dark_pixels(&png, 30..76, 80..400) > 200, "labels of the y axis");
    assert!(dark_pixels(&png, 84..614, 404..420) > 200, "labels of the x axis");
    assert_eq!(dark_pixels(&png, 0..8, 0..400), 0, "the margin is white");
}

/// Left, top, right and bottom of every horizontal text.
fn text_boxes(figure: &Figure) -> Vec<([f64; 4], String)> {
    let font = render::Font::load().unwrap();
    let shapes = layout::figure(figure, &font).groups.into_iter().flat_map(|(origin, shapes)| {
        shapes.into_iter().filter_map(move |s| match s {
            render::Shape::Text(t) if !t.upwards && !t.text.is_empty() => Some((origin, t)),
            _ => None,
        })
    });
    let boxed = shapes.map(|((x, y), t)| {
        let width = font.width(&t.text, t.size);
        let left = x + t.at.0
            - match t.anchor {
                render::Anchor::Start => 0.0,
                render::Anchor::Middle => width / 2.0,
                render::Anchor::End => width,
            };
        let middle = y + t.at.1;
        ([left, middle - t.size / 2.0, left + width, middle + t.size / 2.0], t.text)
    });
    boxed.collect()
}

#[test]
fn no_text_covers_another_or_leaves_the_figure() {
    let mut figure = example();
    figure.title = "A long title about grokking that takes more than one line ".repeat(3);
    figure.caption = Some("A caption of several lines, which is wrapped.\n".repeat(4));
    for i in 0..9 {
        let at = 10_f64.powf(i as f64 * 0.9);
        figure.panels[0].markers.push(Marker { at, label: "a label".repeat(i), ..Marker::default() });
        let more = curve(vec![(1.0, at), (1e8, at / 7.0)], Style::Dotted);
        figure.panels[0].curves.push(Curve { name: "a name ".repeat(i + 1), ..more });
    }
    figure.panels = vec![figure.panels.remove(0); 3];
    figure.columns = 2;
    let boxes = text_boxes(&figure);
    for (i, (a, first)) in boxes.iter().enumerate() {
        assert!(a[0] >= 0.0 && a[2] <= 1280.0, "{first} {a:?}");
        for (b, second) in &boxes[..i] {
            let apart = a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1];
            assert!(apart, "{first} covers {second}: {a:?} {b:?}");
        }
    }
}

#[test]
fn the_svg_is_well_formed_text() {
    let svg = render_svg(&example()).unwrap();
    assert!(svg.starts_with("<svg xmlns=") && svg.trim_end().ends_with("</svg>"));
    assert!(
        svg.contains("10⁻³") && svg.contains("&amp; &lt;tags&gt;") && svg.contains("DejaVu Sans, Verdana")
    );
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
}

#[test]
fn the_same_figure_gives_the_same_bytes() {
    assert_eq!(render_svg(&example()).unwrap(), render_svg(&example()).unwrap());
    assert_eq!(render_png(&example()).unwrap(), render_png(&example()).unwrap());
}

#[test]
fn empty_figures_are_drawn() {
    let unreadable = vec![(0.0, 1.0), (1.0, -1.0), (f64::NAN, 1.0), (2.0, f64::INFINITY)];
    for curves in [vec![], vec![curve(vec![], Style::Solid)], vec![curve(unreadable, Style::LineAndPoints)]] {
        let svg = render_svg(&figure(curves, Scale::Log)).unwrap();
        assert!(svg.contains("no data"));
    }
    assert!(render_png(&Figure::default()).is_ok());
}

#[test]
fn hostile_data_is_drawn() {
    let values = [0.0, 5e-324, 1e-300, 1.0, 1e18, 1e300, f64::MAX, -f64::MAX, f64::NAN, f64::INFINITY];
    let all: Vec<_> = values.iter().flat_map(|&x| values.map(|y| (x, y))).collect();
    let noise = (0..300_000u64).map(|i| (i as f64, (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f64));
    let data = [vec![(1.0, 1.0)], vec![(1.0, 7.0), (2.0, 7.0)], all, noise.collect()];
    for scale in [Scale::Linear, Scale::Log, Scale::Log10Values] {
        for points in &data {
            for style in [Style::Solid, Style::Dashed, Style::Dotted, Style::Points, Style::LineAndPoints] {
                let mut curve = curve(points.clone(), style);
                curve.band = Some(points.iter().map(|p| (p.1 * 0.5, p.1 * 2.0)).collect());
                let mut figure = figure(vec![curve], scale);
                let marker = |&at| Marker { at, label: "a marker \u{0}\n".to_owned(), ..Marker::default() };
                figure.panels[0].markers = values.iter().map(marker).collect();
                figure.panels[0].title = "a title much too long for the panel ".repeat(9);
                figure.panels[0].y.range = (points.len() == 2).then_some((3.0, 2.0));
                let svg = render_svg(&figure).unwrap();
                assert!(!svg.contains("NaN") && !svg.contains('\0'));
                assert!(svg.len() < 8_000_000, "{scale:?} {style:?} {}", svg.len());
                if style == Style::LineAndPoints {
                    assert!(render_png(&figure).is_ok());
                }
            }
        }
    }
}

#[test]
fn a_picture_too_large_is_an_error() {
    let panels = vec![Panel::default(); 300];
    assert!(render_png(&Figure { panels, columns: 1, ..Figure::default() }).is_err());
}

#[test]
fn files_are_written_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["chart.svg", "chart.PNG"] {
        let path = directory.path().join(name);
        write(&example(), &path).unwrap();
        write(&example(), &path).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let plain = directory.path().join("plain");
            std::fs::write(&plain, "").unwrap();
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode(&path), mode(&plain));
            std::fs::remove_file(plain).unwrap();
        }
    }
    for name in ["chart.pdf", "chart", ".svg"] {
        let error = write(&example(), &directory.path().join(name)).unwrap_err();
        assert!(error.to_string().contains(".svg or .png"), "{error}");
    }
    // A directory is in the way: the temporary must go again.
    std::fs::create_dir(directory.path().join("taken.svg")).unwrap();
    assert!(write(&example(), &directory.path().join("taken.svg")).is_err());
    assert!(write(&example(), &directory.path().join("missing/chart.svg")).is_err());
    let mut names: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["chart.PNG", "chart.svg", "taken.svg"]);
}
