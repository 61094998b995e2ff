//! Tables for terminals: columns as wide as they need to be, two spaces apart. Knows no meaning of a cell.

use crate::colour::{Mood, in_mood};

/// A cell, and how what it says stands, where that is to be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    mood: Option<Mood>,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, mood: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Cell {
    /// A cell that is seen to be well or not; without a mood as any other.
    pub(crate) fn of(text: impl Into<String>, mood: Option<Mood>) -> Self {
        Self { text: text.into(), mood }
    }

    fn padded(&self, width: usize) -> String {
        let padded = format!("{:width$}", self.text);
        // The spaces are outside of the colour: it is only the word that has one.
        match self.mood {
            Some(mood) => padded.replacen(&self.text, &in_mood(mood, &self.text), 1),
            None => padded,
        }
    }
}

/// The lines of a table; `None` without rows.
pub(crate) fn table<C: Into<Cell>>(head: &[&str], rows: Vec<Vec<C>>) -> Option<String> {
    if rows.is_empty() {
        return None;
    }
    let head: Vec<Cell> = head.iter().map(|name| Cell::from(*name)).collect();
    let rows = rows.into_iter().map(|row| row.into_iter().map(Into::into).collect());
    let lines: Vec<Vec<Cell>> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|c| c.text.chars().count()).max()
    };
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> =
            line.iter().enumerate().map(|(i, cell)| cell.padded(width(i).unwrap_or(0))).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_whatever_is_in_them() {
        let rows = vec![vec!["béta", "1"], vec!["a", "long one"]];
        assert_eq!(table(&["NAME", "N"], rows).unwrap(), "NAME  N\nbéta  1\na     long one\n");
        assert_eq!(table::<Cell>(&["NAME"], vec![]), None);
    }

    #[test]
    fn a_colour_takes_no_room() {
        let row = |mood| vec![Cell::of("dead", mood), Cell::from("x")];
        let table = table(&["ENDING", "Y"], vec![row(Some(Mood::Bad)), row(None)]).unwrap();
        assert_eq!(table, "ENDING  Y\n\u{1b}[31mdead\u{1b}[0m    x\ndead    x\n");
    }
}
