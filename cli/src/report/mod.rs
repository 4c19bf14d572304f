//! `groktime report DIR`: one page, DIR/index.html, of the figures in DIR and of all statements. It needs nothing
//! from elsewhere: pictures, styles and script are inside, formulas are MathML.

mod figures;
mod html;
mod statements;

use std::path::PathBuf;

use clap::Args;
use groktime::data::files::write_whole;
use serde_json::Value;

use self::html::escaped;
use crate::Status;
use crate::arguments::Memory;
use crate::models::{MODELS, Model};
use crate::output::{self, Failure};
use crate::reproduce::{Folder, PROGRAM};
use crate::verify::verify;

#[derive(Args)]
pub struct Arguments {
    /// Folder of figures, made by `groktime reproduce all --out DIR`
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// What `groktime verify all --json` said [default: DIR/statements.json, judged anew unless this program wrote it]
    #[arg(long, value_name = "FILE.json")]
    statements: Option<PathBuf>,
    /// No text on standard output
    #[arg(long)]
    quiet: bool,
    /// Memory that may be taken, such as 8GB; auto is half of what is free [default: auto]
    #[arg(long, value_name = "BYTES|auto")]
    memory: Option<Memory>,
}

/// A paper with its models.
pub struct Paper {
    number: &'static str,
    title: &'static str,
    models: Vec<&'static Model>,
}

/// Titles of the papers.
const TITLES: [(&str, &str); 3] = [
    ("2601.19791", "To Grok Grokking: Provable Grokking in Ridge Regression"),
    ("2311.18817", "Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking"),
    ("2205.10343", "Towards Understanding Grokking: An Effective Theory of Representation Learning"),
];

/// The papers in the order of the models.
fn papers() -> Vec<Paper> {
    let mut papers: Vec<Paper> = Vec::new();
    for model in &MODELS {
        match papers.iter_mut().find(|paper| paper.number == model.paper) {
            Some(paper) => paper.models.push(model),
            None => {
                let title = TITLES.iter().find(|(number, _)| *number == model.paper);
                let title = title.map_or("", |(_, title)| title);
                papers.push(Paper { number: model.paper, title, models: vec![model] });
            }
        }
    }
    papers
}

pub fn run(arguments: &Arguments) -> Result<Status, Failure> {
    crate::arguments::prepare(arguments.memory, [])?;
    let folder = Folder(&arguments.folder);
    let sections =
        papers().iter().map(|paper| figures::section(paper, &folder)).collect::<Result<Vec<_>, _>>()?;
    let shown: usize = sections.iter().map(|section| section.figures).sum();
    if shown == 0 {
        let text = "holds no figure: `groktime reproduce all --out DIR` makes them";
        return Err(Failure::Input(format!("{} {text}", arguments.folder.display())));
    }
    let judged = judged(arguments)?;
    let rows = judged["statements"].as_array().map(Vec::as_slice).unwrap_or_default();
    let page = page(&sections, rows, &judged);
    let path = arguments.folder.join("index.html");
    write_whole(&path, |file| file.write_all(page.as_bytes())).map_err(Failure::writing)?;
    if !arguments.quiet {
        let text = format!("{}: {shown} figures, {} statements\n", path.display(), rows.len());
        output::print(&text)?;
    }
    let violated = judged["violated"] == Value::Bool(true);
    Ok(if violated { Status::Violated } else { Status::Done })
}

/// The document of `verify all`: given, kept in the folder, or made now and kept.
fn judged(arguments: &Arguments) -> Result<Value, Failure> {
    let read = |path: &std::path::Path| -> Result<Value, String> {
        let text = std::fs::read(path).map_err(|e| e.to_string())?;
        serde_json::from_slice(&text).map_err(|e| e.to_string())
    };
    if let Some(path) = &arguments.statements {
        let wrong = |reason: String| Failure::Input(format!("{}: {reason}", path.display()));
        let document = read(path).map_err(wrong)?;
        return match document["command"] == "verify" && document["statements"].is_array() {
            true => Ok(document),
            false => Err(wrong("expected what `groktime verify all --json` prints".to_owned())),
        };
    }
    let path = arguments.folder.join("statements.json");
    let kept =
        read(&path).ok().filter(|d| d["program"].is_string() && d["program"] == Value::from(PROGRAM.clone()));
    if let Some(document) = kept {
        return Ok(document);
    }
    let mut document = verify(MODELS.iter())?.json("all");
    document["program"] = PROGRAM.clone().into();
    write_whole(&path, |file| serde_json::to_writer_pretty(file, &document).map_err(std::io::Error::from))
        .map_err(Failure::writing)?;
    Ok(document)
}

fn page(sections: &[figures::Section], rows: &[Value], judged: &Value) -> String {
    let links: String = sections
        .iter()
        .map(|s| format!("<li><a href=\"#{}\">{}</a></li>", s.anchor, escaped(&s.name)))
        .collect();
    let bodies: String = sections.iter().map(|s| s.html.as_str()).collect();
    let checks: [usize; 2] =
        [sections.iter().map(|s| s.agree).sum(), sections.iter().map(|s| s.checks).sum()];
    let count = |outcome: &str| rows.iter().filter(|row| row["outcome"] == outcome).count();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>groktime: figures and statements</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>\n{style}</style>\n</head>\n<body>\n<header>\n\
         <h1>Published figures and statements, checked</h1>\n\
         <p>Figures by exact trajectories, each with what was published beside what was measured; and every statement of \
         the papers, judged. <strong>{agree} of {checks}</strong> published values agree (where the run is of the published \
         size); of {total} statements \
         <strong>{hold} hold</strong>, {violated} are violated, {errata} are known errata.</p>\n\
         <p class=\"soft\">groktime {version}, schema {schema}. Settings are under each figure.</p>\n</header>\n\
         <nav aria-label=\"Contents\"><ul>{links}<li><a href=\"#statements\">Statements</a></li></ul></nav>\n\
         <main>\n{bodies}{statements}</main>\n<script>\n{script}</script>\n</body>\n</html>\n",
        style = include_str!("page.css"),
        script = include_str!("page.js"),
        agree = checks[0],
        checks = checks[1],
        total = rows.len(),
        hold = count("holds"),
        violated = count("violated"),
        errata = count("known-erratum"),
        version = escaped(judged["version"].as_str().unwrap_or("?")),
        schema = judged["schema"],
        statements = statements::section(rows),
    )
}
