//! The table of all statements.

use serde_json::Value;

use super::html::escaped;
use crate::output::short;

const COLUMNS: [&str; 9] =
    ["model", "statement", "claim", "measured", "slack", "instances", "outcome", "hypotheses", "note"];

pub fn section(rows: &[Value]) -> String {
    let options = |key: &str| -> String {
        let mut values: Vec<&str> = Vec::new();
        for value in rows.iter().filter_map(|row| row[key].as_str()) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        values.into_iter().map(|v| format!("<option>{}</option>", escaped(v))).collect()
    };
    let heading: String = COLUMNS
        .iter()
        .map(|name| format!("<th scope=\"col\"><button type=\"button\">{name}</button></th>"))
        .collect();
    let body: String = rows.iter().map(row).collect();
    format!(
        "<section id=\"statements\">\n<h2>Statements</h2>\n\
         <p>Each published statement is compared with exact trajectories on the settings of its paper, on random problems, and on \
         problems made to break it. Claim, measured value and slack are those of the instance that came closest to the bound; a \
         negative slack fails. Instances are counted as informative/applicable/all: on the applicable ones all hypotheses hold, on the \
         informative ones the claim could also have failed. <span class=\"mark known-erratum\">erratum</span> marks a printed form that fails within its own \
         hypotheses and has a corrected form beside it.</p>\n\
         <div class=\"tools\"><input id=\"filter-text\" type=\"search\" placeholder=\"filter\" aria-label=\"Filter by text\">\
         <select data-key=\"model\" aria-label=\"Model\"><option value=\"\">all models</option>{}</select>\
         <select data-key=\"outcome\" aria-label=\"Outcome\"><option value=\"\">all outcomes</option>{}</select>\
         <select data-key=\"form\" aria-label=\"Form\"><option value=\"\">all forms</option>{}</select>\
         <span id=\"filter-count\" class=\"soft\" aria-live=\"polite\"></span></div>\n\
         <table id=\"statements-table\" class=\"cards\"><thead><tr>{heading}</tr></thead>\n<tbody>\n{body}</tbody></table>\n\
         </section>\n",
        options("model"),
        options("outcome"),
        options("form"),
    )
}

fn row(row: &Value) -> String {
    let text = |key: &str| row[key].as_str().unwrap_or_default();
    let count = |key: &str| row[key].as_u64().unwrap_or(0);
    let sort = |key: &str| row[key].as_f64().map_or(String::new(), |x| x.to_string());
    let number = |key: &str| row[key].as_f64().map_or("–".to_owned(), short);
    let relation = match text("side") {
        "upper" => "≤",
        "lower" => "≥",
        _ => "=",
    };
    let form = match text("form") {
        "printed" => "",
        other => other,
    };
    let outcome = text("outcome");
    let erratum =
        if outcome == "known-erratum" { " <span class=\"mark known-erratum\">erratum</span>" } else { "" };
    let at = row["at_time"].as_f64().map_or(String::new(), |t| format!(" at {}", short(t)));
    let rate = match &row["rate"] {
        Value::Object(rate) => {
            let part = |key: &str| rate.get(key).and_then(Value::as_u64).unwrap_or(0);
            format!("; {} of {} draws fail", part("failures"), part("draws"))
        }
        _ => String::new(),
    };
    let cells = [
        (text("model").to_owned(), None),
        (
            format!(
                "{}{erratum}{}",
                escaped(text("source")),
                if form.is_empty() { String::new() } else { format!(" <span class=\"mark\">{form}</span>") }
            ),
            None,
        ),
        (format!("{} {relation} {}", escaped(text("quantity")), number("value")), None),
        (format!("{}{at}", number("measured")), Some(sort("measured"))),
        (number("worst_slack"), Some(sort("worst_slack"))),
        (
            format!("{}/{}/{}{rate}", count("informative"), count("applicable"), count("instances")),
            Some(count("informative").to_string()),
        ),
        (format!("<span class=\"{outcome}\">{outcome}</span>"), None),
        (hypotheses(&row["hypotheses"]), None),
        (escaped(text("note")), None),
    ];
    let cells: String = COLUMNS
        .iter()
        .zip(cells)
        .map(|(label, (content, sort))| {
            let sort = sort.map_or(String::new(), |s| format!(" data-sort=\"{s}\""));
            format!("<td data-label=\"{label}\"{sort}>{content}</td>")
        })
        .collect();
    format!(
        "<tr data-model=\"{}\" data-outcome=\"{outcome}\" data-form=\"{}\">{cells}</tr>\n",
        text("model"),
        text("form")
    )
}

/// Each condition with what the closest instance has and what is needed.
fn hypotheses(list: &Value) -> String {
    let one = |h: &Value| {
        let name = escaped(h["name"].as_str().unwrap_or_default());
        let numbers = match (h["have"].as_f64(), h["need"].as_f64()) {
            (Some(have), Some(need)) => format!(": has {}, needs {}", short(have), short(need)),
            _ => String::new(),
        };
        format!("<li>{name}{numbers}</li>")
    };
    let all = list.as_array().map(Vec::as_slice).unwrap_or_default();
    match all.len() {
        0 => "none".to_owned(),
        n => format!(
            "<details><summary>{n}</summary><ul>{}</ul></details>",
            all.iter().map(one).collect::<String>()
        ),
    }
}
