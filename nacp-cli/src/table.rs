//! Tables for people: columns without lines, as wide as what shows them.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};

/// Narrower than this no column of words can be read.
const NARROWEST: usize = 10;

/// A table with a header, at most `width` columns wide. Where that is not enough, the cells of the column `flexible` go
/// on in the next line; then those of all.
pub(crate) fn table<const N: usize>(
    width: u16,
    header: [&str; N],
    flexible: usize,
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.set_header(header.map(str::to_uppercase));
    table.add_rows(rows);
    let last = N.saturating_sub(1);
    let widths = table.column_max_content_widths();
    let fixed: usize =
        widths.iter().enumerate().filter(|(index, _)| *index != flexible).map(|(_, w)| usize::from(*w) + 2).sum();
    let fits = fixed + NARROWEST <= usize::from(width);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index == last { 0 } else { 2 }));
        if fits && index != flexible {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(width: u16) -> String {
        let row = ["127.0.0.1:8080".to_owned(), "two three four five six seven".to_owned()];
        table(width, ["address", "why"], 1, [row])
    }

    #[test]
    fn the_flexible_column_goes_on_in_the_next_line_and_no_line_ends_with_blanks() {
        assert_eq!(shown(32), "ADDRESS         WHY\n127.0.0.1:8080  two three four\n                five six seven");
    }

    #[test]
    fn where_nothing_fits_every_column_gives_way() {
        let text = shown(20);
        assert!(text.lines().all(|line| line.chars().count() <= 20 && line == line.trim_end()), "{text}");
    }
}
