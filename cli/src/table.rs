//! Tables for people. Texts are wrapped at spaces; where a table is still wider than the terminal, first its numbers lose
//! their last digits, and then long words are broken. Numbers never are.

use comfy_table::{ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width};

/// Significant digits that numbers are cut to, one after the other, until the table fits.
const FEWER_DIGITS: [usize; 3] = [6, 5, 4];
/// Words longer than this may be broken: one after the other, until the table fits.
const LONGEST_WORD: [usize; 3] = [24, 14, 11];
/// A space on either side of a cell.
const PADDING: usize = 2;

/// A table of numbers and short texts.
pub fn table(heading: &[&str], rows: Vec<Vec<String>>) -> String {
    fitted(heading, rows, terminal_width())
}

fn fitted(heading: &[&str], mut rows: Vec<Vec<String>>, width: usize) -> String {
    let mut text = unbroken(heading, rows.clone(), LONGEST_WORD[0], width);
    let fits = |text: &str| text.lines().all(|line| line.chars().count() <= width);
    for digits in FEWER_DIGITS {
        if fits(&text) {
            return text;
        }
        rows.iter_mut().flatten().for_each(|cell| *cell = fewer_digits(cell, digits));
        text = unbroken(heading, rows.clone(), LONGEST_WORD[0], width);
    }
    for longest in &LONGEST_WORD[1..] {
        if fits(&text) {
            return text;
        }
        text = unbroken(heading, rows.clone(), *longest, width);
    }
    text
}

/// A table whose first column is text and takes what the others, which are not broken, leave.
pub fn table_of_text(heading: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = plain(heading, rows, terminal_width());
    for column in table.column_iter_mut().skip(1) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    format!("{table}\n")
}

fn plain(heading: &[&str], rows: Vec<Vec<String>>, width: usize) -> Table {
    let mut table = Table::new();
    let line = LineStyle::none().fill('─').junction('─');
    table.load_style(TableStyle::new().top_border(line).header_separator(line).bottom_border(line));
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width as u16);
    table.set_header(heading.to_vec());
    for row in rows {
        table.add_row(row);
    }
    table
}

/// Each column is as wide as its longest word, up to a limit.
fn unbroken(heading: &[&str], rows: Vec<Vec<String>>, limit: usize, width: usize) -> String {
    let mut longest: Vec<usize> = heading.iter().map(|cell| longest_word(cell)).collect();
    for row in &rows {
        longest.iter_mut().zip(row).for_each(|(longest, cell)| *longest = longest_word(cell).max(*longest));
    }
    let mut table = plain(heading, rows, width);
    for (column, longest) in table.column_iter_mut().zip(longest) {
        let least = (longest.min(limit) + PADDING) as u16;
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
    }
    format!("{table}\n")
}

fn longest_word(cell: &str) -> usize {
    cell.split(' ').map(|word| word.chars().count()).max().unwrap_or(0)
}

/// A number with so many significant digits, the integer part always whole; other cells, and numbers that have no
/// more, as they are.
fn fewer_digits(cell: &str, digits: usize) -> String {
    let (mantissa, exponent) = cell.split_at(cell.find('e').unwrap_or(cell.len()));
    let (Some((before, after)), Ok(value)) = (mantissa.split_once('.'), mantissa.parse::<f64>()) else {
        return cell.to_owned();
    };
    let before = before.trim_start_matches('-');
    let leading = if before == "0" { after.chars().take_while(|c| *c == '0').count() } else { 0 };
    let whole = if before == "0" { 0 } else { before.len() };
    let places = (digits + leading).saturating_sub(whole);
    match places < after.len() {
        true => format!("{value:.places$}{exponent}"),
        false => cell.to_owned(),
    }
}

fn terminal_width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    columns.filter(|c| (60..=u16::MAX as usize).contains(c)).unwrap_or(120)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lose_their_last_digits() {
        let cut = |cell| fewer_digits(cell, 4);
        assert_eq!(
            ["127.98700", "14556.09079", "0.00270", "0.0123456", "-5.3882e-4"].map(cut),
            ["128.0", "14556", "0.00270", "0.01235", "-5.388e-4"]
        );
        assert_eq!(
            ["never", "", "22840", "0 ± 3e-4", "Thm 4.5", "1.5 at 7"].map(cut),
            ["never", "", "22840", "0 ± 3e-4", "Thm 4.5", "1.5 at 7"]
        );
    }

    #[test]
    fn words_and_numbers_are_whole_and_tables_fit() {
        let row =
            |t: f64| [t, 0.43219, 127.98731, 2.7157e-4, 0.33588, 2.29205].map(|x| format!("{x:.5}")).to_vec();
        let heading = ["time", "train loss", "test loss", "‖θ‖", "margin", "probability"];
        let rows = vec![row(14556.09079), row(0.1)];
        let wide = fitted(&heading, rows.clone(), 120);
        assert!(wide.contains("14556.09079") && wide.contains("probability"), "{wide}");
        let narrow = fitted(&heading, rows, 64);
        assert!(narrow.lines().all(|line| line.chars().count() <= 64), "{narrow}");
        for whole in ["14556.1", "0.43219", "127.987", "0.33588", "2.29205", "probability"] {
            assert!(narrow.contains(whole), "{whole}: {narrow}");
        }
    }
}
