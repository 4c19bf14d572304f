//! The section of a paper: formulas, figures, published values beside measured ones.

use serde_json::Value;

use super::Paper;
use super::html::{escaped, image_source};
use crate::output::{Failure, short};
use crate::reproduce::{Entry, Folder, PROGRAM};

pub struct Section {
    pub anchor: String,
    pub name: String,
    pub html: String,
    pub figures: usize,
    /// Published values that agree, of how many.
    pub agree: usize,
    pub checks: usize,
}

pub fn section(paper: &Paper, folder: &Folder<'_>) -> Result<Section, Failure> {
    let anchor = format!("paper-{}", paper.number.replace('.', "-"));
    let models: Vec<&str> = paper.models.iter().map(|m| m.title).collect();
    let mut section = Section {
        html: format!(
            "<section id=\"{anchor}\">\n<h2>{title}</h2>\n\
             <p class=\"soft\"><a href=\"https://arxiv.org/abs/{number}\">arXiv {number}</a>: {models}</p>\n",
            title = escaped(paper.title),
            number = paper.number,
            models = escaped(&models.join(", ").to_lowercase()),
        ),
        name: models.join(", "),
        anchor,
        figures: 0,
        agree: 0,
        checks: 0,
    };
    let mut missing = Vec::new();
    for model in &paper.models {
        section.html +=
            &format!("<h3 id=\"model-{}\">{}</h3>\n{}", model.name, escaped(model.title), model.formula);
        for entry in model.figures.iter().copied().flatten() {
            match folder.document(entry) {
                Some(document) => section.add(entry, &document, folder)?,
                None => missing.push(entry.name),
            }
        }
    }
    if !missing.is_empty() {
        section.html += &format!("<p class=\"soft\">Not made yet: {}.</p>\n", missing.join(", "));
    }
    section.html += "</section>\n";
    Ok(section)
}

impl Section {
    fn add(&mut self, entry: &Entry, document: &Value, folder: &Folder<'_>) -> Result<(), Failure> {
        let path = folder.path(entry, "svg");
        let svg = std::fs::read_to_string(&path);
        let svg = svg.map_err(|e| Failure::Input(format!("{}: {e}", path.display())))?;
        let checks = document["checks"].as_array().map(Vec::as_slice).unwrap_or_default();
        self.figures += 1;
        self.checks += checks.iter().filter(|check| check["verdict"] != "not-comparable").count();
        self.agree += checks.iter().filter(|check| check["verdict"] == "agrees").count();
        let number = entry.number.map_or("Not in the paper".to_owned(), |number| format!("Figure {number}"));
        let stale = match document["program"] == Value::from(PROGRAM.clone()) {
            true => "",
            false => " <span class=\"mark\">made by another build</span>",
        };
        let settings = serde_json::to_string_pretty(&document["settings"]).unwrap_or_default();
        self.html += &format!(
            "<article id=\"figure-{name}\">\n<h4>{number}: {shows}{stale}</h4>\n\
             <figure><img{wide} src=\"{source}\" alt=\"{shows}\"></figure>\n{table}\
             <details><summary>Settings</summary><pre>{settings}</pre></details>\n\
             <p class=\"soft\"><code>groktime reproduce {name}</code>: <a href=\"{name}.csv\">CSV</a>, \
             <a href=\"{name}.svg\">SVG</a>, <a href=\"{name}.png\">PNG</a>, <a href=\"{name}.json\">JSON</a>; \
             groktime {version}, {seconds} s</p>\n</article>\n",
            name = entry.name,
            shows = escaped(entry.shows),
            source = image_source(&svg),
            wide = if width(&svg) > WIDE { " class=\"wide\"" } else { "" },
            table = table(checks),
            settings = escaped(&settings),
            version = escaped(document["version"].as_str().unwrap_or("?")),
            seconds = document["seconds"].as_f64().map_or("?".to_owned(), |s| format!("{s:.1}")),
        );
        Ok(())
    }
}

/// Pictures wider than this have panels side by side.
const WIDE: f64 = 700.0;

/// Width of an SVG document of ours.
fn width(svg: &str) -> f64 {
    let text = svg.split_once("width=\"").and_then(|(_, rest)| rest.split_once('"'));
    text.and_then(|(width, _)| width.parse().ok()).unwrap_or(0.0)
}

/// Published beside measured.
fn table(checks: &[Value]) -> String {
    let row = |check: &Value| {
        let text = |key: &str| escaped(check[key].as_str().unwrap_or_default());
        let measured = check["measured"].as_f64().map_or("–".to_owned(), short);
        let range = match (check["low"].as_f64(), check["high"].as_f64()) {
            _ if check["not_comparable"].is_string() => format!("– ({})", text("not_comparable")),
            (Some(low), Some(high)) if low == high => format!("{} ({})", short(low), text("because")),
            (Some(low), Some(high)) => format!("{} to {} ({})", short(low), short(high), text("because")),
            (Some(low), None) => format!("≥ {} ({})", short(low), text("because")),
            (None, Some(high)) => format!("≤ {} ({})", short(high), text("because")),
            (None, None) => String::new(),
        };
        format!(
            "<tr><td data-label=\"what\">{}</td><td data-label=\"published\">{}</td><td data-label=\"measured\">{}</td>\
             <td data-label=\"agrees within\">{range}</td><td data-label=\"verdict\" class=\"{verdict}\">{verdict}</td></tr>\n",
            text("what"),
            text("published"),
            escaped(&measured),
            verdict = text("verdict"),
        )
    };
    let rows: String = checks.iter().map(row).collect();
    format!(
        "<table class=\"cards\"><thead><tr><th>what</th><th>published</th><th>measured</th><th>agrees within</th>\
         <th>verdict</th></tr></thead>\n<tbody>\n{rows}</tbody></table>\n"
    )
}
