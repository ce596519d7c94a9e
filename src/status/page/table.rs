//! Tables with their cells, escaped.

use std::fmt::{Display, Write as _};

use crate::html::Text;
use crate::status::spoken::grouped;

/// A cell: its text, already escaped, and whether it is a number.
pub(super) struct Cell(pub(super) String, pub(super) bool);

pub(super) fn text(value: impl Display) -> Cell {
    Cell(Text(value).to_string(), false)
}

pub(super) fn code(value: impl Display) -> Cell {
    Cell(format!("<code>{}</code>", Text(value)), false)
}

pub(super) fn number(value: u64) -> Cell {
    Cell(grouped(value), true)
}

pub(super) fn mark(kind: &str, words: impl Display) -> String {
    format!("<span class=\"mark {kind}\">{}</span>", Text(words))
}

pub(super) fn table(out: &mut String, title: &str, columns: &[&str], rows: &[Vec<Cell>]) {
    let class = |is_number: bool| if is_number { " class=\"number\"" } else { "" };
    let cell_class = |Cell(html, is_number): &Cell| {
        if html.is_empty() {
            " class=\"none\""
        } else {
            class(*is_number)
        }
    };
    let _ = write!(out, "<h2>{title}</h2>\n<table><thead><tr>");
    for (at, column) in columns.iter().enumerate() {
        let is_number = rows
            .first()
            .and_then(|row| row.get(at))
            .is_some_and(|cell| cell.1);
        let _ = write!(out, "<th{}>{column}</th>", class(is_number));
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (column, cell) in columns.iter().zip(row) {
            let _ = write!(
                out,
                "<td data-of=\"{column}\"{}><span>{}</span></td>",
                cell_class(cell),
                cell.0
            );
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_escaped() {
        let mut out = String::new();
        let bad = "<script>\"'&";
        table(
            &mut out,
            "Title",
            &["A", "B", "C"],
            &[vec![text(bad), code(bad), Cell(mark("", bad), false)]],
        );
        assert!(!out.contains("<script>"), "{out}");
        assert_eq!(out.matches("&lt;script&gt;&quot;&#39;&amp;").count(), 3);
    }
}
