//! A table that fits: what has no place beside the name goes under it.

use textwrap::core::display_width;

use super::super::{Page, RESET, wrapping};

/// One thing: what its state is, what it is called, and what else is known of it.
#[derive(Default)]
pub(super) struct Row {
    /// The word of its state, and the style of that word; empty where it has none.
    pub(super) state: (&'static str, &'static str),
    pub(super) name: String,
    /// One text for each of the table's columns; empty where nothing is known.
    pub(super) cells: Vec<String>,
    /// Sentences, each on a line of its own.
    pub(super) notes: Vec<String>,
}

/// A column: its title, and whether its texts are numbers.
#[derive(Clone, Copy)]
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) is_number: bool,
}

pub(super) const fn text(title: &'static str) -> Column {
    Column { title, is_number: false }
}

pub(super) const fn number(title: &'static str) -> Column {
    Column { title, is_number: true }
}

/// Writes rows in columns: those that fit, in their order; the others as words under the name. A
/// column in which nothing is known is left out.
pub(super) fn table(page: &mut Page, of: &str, columns: &[Column], rows: &[Row]) {
    let state = rows.iter().map(|row| row.state.0.len()).max().unwrap_or_default();
    let indent = if state == 0 { 2 } else { 2 + state + 2 };
    let longest = rows.iter().map(|row| display_width(&row.name)).max().unwrap_or_default();
    let name = longest.max(of.len()).min((page.width * 2 / 5).max(SHORTEST_NAME));
    let (beside, under) = arranged(page.width, indent + name, columns, rows);

    let titles = beside.iter().map(|&(column, width)| (columns[column].title, column, width));
    let head = line(&" ".repeat(indent), (of, name), columns, titles);
    page.line(&format!("{DIM}{head}{RESET}"));
    for row in rows {
        let (word, style) = row.state;
        let word = format!("{style}{word}{}{}", reset(style), " ".repeat(state - word.len()));
        let start = if state == 0 { "  ".to_owned() } else { format!("  {word}  ") };
        let cells = beside.iter().map(|&(column, width)| (&*row.cells[column], column, width));
        page.line(&line(&start, (&cut(&row.name, name), name), columns, cells));
        let said: Vec<String> = under
            .iter()
            .filter(|column| !row.cells[**column].is_empty())
            .map(|column| whole(&format!("{} {}", columns[*column].title, row.cells[*column])))
            .collect();
        let notes = row.notes.iter().map(String::as_str);
        let said = said.join(", ");
        for text in [said.as_str()].into_iter().filter(|text| !text.is_empty()).chain(notes) {
            let indent = " ".repeat(indent.max(4));
            let hanging = format!("{indent}  ");
            let options = wrapping(page.width).initial_indent(&indent).subsequent_indent(&hanging);
            page.line(&textwrap::fill(text, options).replace(JOINT, " "));
        }
    }
}

/// Which columns stand beside the name, each with its width, and which go under it.
fn arranged(
    width: usize,
    start: usize,
    columns: &[Column],
    rows: &[Row],
) -> (Vec<(usize, usize)>, Vec<usize>) {
    let (mut beside, mut under, mut used) = (Vec::new(), Vec::new(), start);
    // Numbers stay together.
    let mut has_number_under = false;
    for (column, Column { title, is_number }) in columns.iter().enumerate() {
        let widest = rows.iter().map(|row| display_width(&row.cells[column])).max();
        let Some(widest) = widest.filter(|widest| *widest > 0) else { continue };
        let wanted = widest.max(title.len());
        if used + 2 + wanted <= width && !(*is_number && has_number_under) {
            used += 2 + wanted;
            beside.push((column, wanted));
        } else {
            has_number_under |= *is_number;
            under.push(column);
        }
    }
    (beside, under)
}

fn line<'a>(
    start: &str,
    (name, name_width): (&str, usize),
    columns: &[Column],
    cells: impl Iterator<Item = (&'a str, usize, usize)>,
) -> String {
    let mut line = format!("{start}{}", padded(name, name_width, false));
    for (text, column, width) in cells {
        line.push_str("  ");
        line.push_str(&padded(text, width, columns[column].is_number));
    }
    line.trim_end().to_owned()
}

/// Text filled up with blanks; not by the number of its characters, some of which are two columns
/// wide.
fn padded(text: &str, width: usize, is_number: bool) -> String {
    let blanks = " ".repeat(width.saturating_sub(display_width(text)));
    if is_number { blanks + text } else { text.to_owned() + &blanks }
}

/// Text that is no wider than `width`.
fn cut(text: &str, width: usize) -> String {
    if display_width(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        kept.push(character);
        if display_width(&kept) >= width {
            kept.pop();
            break;
        }
    }
    kept + "…"
}

/// Short words that no end of a line tears apart: `7 ms` is one thing.
fn whole(text: &str) -> String {
    if display_width(text) <= LONGEST_WHOLE { text.replace(' ', JOINT) } else { text.to_owned() }
}

fn reset(style: &str) -> &'static str {
    if style.is_empty() { "" } else { RESET }
}

const DIM: &str = "\x1b[2m";
/// A name has so many columns however narrow the page is.
const SHORTEST_NAME: usize = 24;
/// Longer words may be torn apart.
const LONGEST_WHOLE: usize = 30;
/// A blank at which no line ends.
const JOINT: &str = "\u{a0}";
