//! Results as tables in Markdown, which read well as plain text too.

use std::fmt;

/// What an experiment leaves behind.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) title: &'static str,
    /// What was done.
    pub(crate) about: String,
    pub(crate) head: &'static [&'static str],
    pub(crate) rows: Vec<Vec<String>>,
    /// What holds, and what was luck.
    pub(crate) verdict: String,
    /// Files with what they show and their SVG text.
    pub(crate) pictures: Vec<(&'static str, &'static str, String)>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n\n{}\n", self.title, self.about)?;
        let head: Vec<String> = self.head.iter().map(|&cell| cell.to_owned()).collect();
        let widths: Vec<usize> =
            (0..head.len()).map(|column| self.rows.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
        let line = |row: &[String]| row.iter().zip(&widths).map(|(cell, &width)| format!(" {cell:<width$} |")).collect::<String>();
        writeln!(f, "|{}\n|{}", line(&head), widths.iter().map(|&width| format!("{:-<1$}|", "", width + 2)).collect::<String>())?;
        for row in &self.rows {
            writeln!(f, "|{}", line(row))?;
        }
        writeln!(f, "\n{}", self.verdict)
    }
}

/// The same measured for each seed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample(pub(crate) Vec<f64>);

impl Sample {
    pub(crate) fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }
    /// The standard deviation from run to run.
    pub(crate) fn spread(&self) -> f64 {
        let mean = self.mean();
        (self.0.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (self.0.len() as f64 - 1.0)).sqrt()
    }
    pub(crate) fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }
    pub(crate) fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
    /// In how many runs it was at least so much.
    pub(crate) fn reach(&self, value: f64) -> usize {
        self.0.iter().filter(|&&found| found >= value).count()
    }
}

impl FromIterator<f64> for Sample {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// Mean ± spread.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(1);
        // No minus before a zero.
        let unit = 10f64.powi(digits as i32);
        write!(f, "{:.digits$} ± {:.digits$}", (self.mean() * unit).round() / unit + 0.0, self.spread())
    }
}
