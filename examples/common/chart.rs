//! Sheets of panels with curves in them, as SVG pictures.
//!
//! The text is the same on every machine: everything is drawn in whole tenths of a pixel, and no font is measured.
#![allow(dead_code, reason = "each program uses a part")]

use std::error::Error;

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

pub(crate) type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;
pub(crate) type Point = (f64, f64);

/// Told apart by colour-blind readers too (Okabe & Ito 2008).
pub(crate) const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(70, 70, 70),
];
const INK: RGBColor = RGBColor(51, 51, 51);
const GRID: RGBColor = RGBColor(228, 228, 228);
const AXIS: RGBColor = RGBColor(150, 150, 150);

/// Units of the drawing in a pixel: the backend of `plotters` knows whole numbers only.
const PX: i32 = 10;
const FONT: &str = "sans-serif";
/// Points that are as near as this to the line between their neighbours are left out, in units.
const TOLERANCE: f64 = 1.8;

/// Panels in rows, with a title above and a legend below.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) title: String,
    pub(crate) panels: Vec<Panel>,
    pub(crate) columns: usize,
    /// Width and height of a panel in pixels.
    pub(crate) panel: (i32, i32),
    /// The size of the letters in pixels; everything else follows from it.
    pub(crate) font: i32,
    /// About how many numbers an axis has; with less than six there are no lines but zeros.
    pub(crate) numbers: usize,
    pub(crate) legend: Vec<Key>,
}

/// One chart.
#[derive(Debug, Default)]
pub(crate) struct Panel {
    pub(crate) caption: String,
    pub(crate) x: Point,
    /// Fitted to the series unless given.
    pub(crate) y: Option<Point>,
    /// Pale rectangles behind everything: two corners and an index into `COLOURS`.
    pub(crate) cells: Vec<(Point, Point, usize)>,
    pub(crate) series: Vec<Series>,
}

/// What is drawn in one colour.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    /// An index into `COLOURS`.
    pub(crate) colour: usize,
    /// In pixels.
    pub(crate) width: f64,
    pub(crate) lines: Vec<Vec<Point>>,
    pub(crate) dots: Vec<Point>,
    pub(crate) hollow: Vec<Point>,
    pub(crate) filled: Vec<Point>,
}

/// An entry of the legend.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) label: String,
    pub(crate) mark: Mark,
    pub(crate) colour: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mark {
    /// Of this width in pixels.
    Line(f64),
    Dot,
    Hollow,
    Filled,
    Area,
}

type Points = fn(&Series) -> &Vec<Point>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

impl Sheet {
    /// The picture.
    pub(crate) fn svg(&self) -> Result<String> {
        let font = self.font * PX;
        let (title, legend) = (font * 5 / 2, font * 2);
        let rows = self.panels.len().div_ceil(self.columns) as i32;
        let (width, height) = (self.columns as i32 * self.panel.0, rows * self.panel.1);
        let size = (width, height + (title + legend) / PX);

        let mut svg = String::new();
        let root = SVGBackend::with_string(&mut svg, ((size.0 * PX) as u32, (size.1 * PX) as u32)).into_drawing_area();
        root.fill(&WHITE)?;
        let middle = |size: i32| (FONT, letters(size)).into_font().color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
        root.draw(&Text::new(self.title.clone(), (font, title / 2), middle(font * 5 / 4)))?;
        for (index, panel) in self.panels.iter().enumerate() {
            let (column, row) = ((index % self.columns) as i32, (index / self.columns) as i32);
            let (x, y) = (column * self.panel.0 * PX, title + row * self.panel.1 * PX);
            let area = root.clone().shrink((x, y), (self.panel.0 * PX, self.panel.1 * PX));
            panel.draw(&root, &area, font, self.numbers)?;
        }

        let (mut x, y) = (font, size.1 * PX - legend * 3 / 5);
        for Key { label, mark, colour } in &self.legend {
            let (colour, end) = (COLOURS[*colour], x + font * 2);
            match *mark {
                Mark::Line(width) => root.draw(&PathElement::new([(x, y), (end, y)], stroke(colour, width)))?,
                Mark::Area => root.draw(&Rectangle::new([(x + font / 2, y - font / 2), (end, y + font / 2)], pale(colour).filled()))?,
                mark => dot(&root, (end - font / 2, y), font, mark, colour)?,
            }
            root.draw(&Text::new(label.clone(), (end + font / 2, y), middle(font)))?;
            // No font is asked: six tenths of its size is wide for a letter.
            x = end + font * 3 / 2 + label.chars().count() as i32 * font * 6 / 10;
        }
        root.present()?;
        drop(root);
        let (_, drawn) = svg.split_once(" viewBox").ok_or("no SVG")?;
        Ok(format!("<svg width=\"{}\" height=\"{}\" {} viewBox{}", size.0, size.1, common(font), without(drawn, font)))
    }
}

impl Panel {
    fn draw(&self, root: &Area<'_>, area: &Area<'_>, font: i32, numbers: usize) -> Result<()> {
        let text = (FONT, letters(font)).into_font().color(&INK);
        let (low, high) = self.y.unwrap_or_else(|| self.fitted());
        let mut chart = ChartBuilder::on(area)
            .caption(&self.caption, text.clone())
            .margin(font * 6 / 10)
            .margin_right(font)
            .x_label_area_size(font * 2)
            .y_label_area_size(font * 7 / 2)
            .build_cartesian_2d(self.x.0..self.x.1, low..high)?;
        for &(a, b, colour) in &self.cells {
            root.draw(&Rectangle::new([chart.backend_coord(&a), chart.backend_coord(&b)], pale(COLOURS[colour]).filled()))?;
        }
        // The ticks carry rounding errors; and there should be no minus before a zero.
        let label = |&number: &f64| ((number * 1e6).round() / 1e6 + 0.0).to_string();
        let mut mesh = chart.configure_mesh();
        mesh.x_labels(numbers).y_labels(numbers).x_label_formatter(&label).y_label_formatter(&label).label_style(text);
        mesh.axis_style(stroke(AXIS, 1.0)).bold_line_style(stroke(GRID, 1.0)).light_line_style(TRANSPARENT);
        mesh.set_all_tick_mark_size(font / 3);
        if numbers < 6 {
            mesh.disable_mesh().axis_style(TRANSPARENT);
        }
        mesh.draw()?;

        let at = |point: &Point| chart.backend_coord(point);
        for (from, to) in [((0.0, low), (0.0, high)), ((self.x.0, 0.0), (self.x.1, 0.0))] {
            if self.cells.is_empty() && self.x.0 <= from.0 && to.0 <= self.x.1 && low <= from.1 && to.1 <= high {
                root.draw(&PathElement::new([at(&from), at(&to)], stroke(AXIS, 1.0)))?;
            }
        }
        for series in &self.series {
            let colour = COLOURS[series.colour];
            for line in &series.lines {
                let mut path: Vec<(i32, i32)> = line.iter().map(at).collect();
                path.dedup();
                root.draw(&PathElement::new(simplified(&path), stroke(colour, series.width)))?;
            }
        }
        // Above the lines of all.
        let marks: [(Mark, Points); 3] = [(Mark::Dot, |s| &s.dots), (Mark::Hollow, |s| &s.hollow), (Mark::Filled, |s| &s.filled)];
        for (mark, points) in marks {
            for (series, point) in self.series.iter().flat_map(|series| points(series).iter().map(move |point| (series, point))) {
                dot(root, at(point), font, mark, COLOURS[series.colour])?;
            }
        }
        Ok(())
    }

    /// From the lowest to the highest point, and a little more.
    fn fitted(&self) -> Point {
        let points = self.series.iter().flat_map(|series| series.lines.iter().flatten().chain(&series.dots).chain(&series.hollow).chain(&series.filled));
        let (low, high) = points.filter(|(_, y)| y.is_finite()).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &(_, y)| (low.min(y), high.max(y)));
        match 0.07 * (high - low) {
            pad if pad > 0.0 => (low - pad, high + pad),
            _ if low.is_finite() => (low - 0.5, low + 0.5),
            _ => (0.0, 1.0),
        }
    }
}

/// What most elements have in common is said once; and a page may show the picture smaller than it is.
fn common(font: i32) -> String {
    let style = "stroke-linejoin=\"round\" style=\"max-width:100%\"";
    format!("font-family=\"{FONT}\" font-size=\"{font}\" text-anchor=\"middle\" fill=\"#333333\" stroke-width=\"{PX}\" {style}")
}

/// The elements without what `common` says, or goes without saying.
fn without(svg: &str, font: i32) -> String {
    let size = |font: i32| format!(" font-size=\"{}\"", letters(font) / 1.24);
    let (family, width) = (format!(" font-family=\"{FONT}\""), format!(" stroke-width=\"{PX}\""));
    let said = [&family, &width, &size(font), " text-anchor=\"middle\"", " fill=\"#333333\"", " opacity=\"1\"", " stroke=\"none\""];
    let svg = said.iter().fold(svg.to_owned(), |svg, said| svg.replace(said, ""));
    svg.replace(&size(font * 5 / 4), &format!(" font-size=\"{}\"", font * 5 / 4)).replace(" \"/>", "\"/>").replace("\n</text>", "</text>")
}

/// What `plotters` calls the size of a font is 1.24 times SVG's.
fn letters(size: i32) -> f64 {
    1.24 * f64::from(size)
}

/// On white, and opaque: rectangles side by side show no seams.
fn pale(RGBColor(red, green, blue): RGBColor) -> RGBColor {
    let part = |value: u8| 255 - (255 - value) / 3;
    RGBColor(part(red), part(green), part(blue))
}

fn stroke(colour: RGBColor, pixels: f64) -> ShapeStyle {
    colour.stroke_width((pixels * f64::from(PX)) as u32)
}

fn dot(root: &Area<'_>, at: (i32, i32), font: i32, mark: Mark, colour: RGBColor) -> Result<()> {
    let radius = match mark {
        Mark::Dot => font / 7,
        Mark::Filled => font / 5,
        _ => font * 2 / 7,
    };
    root.draw(&Circle::new(at, radius, if mark == Mark::Hollow { WHITE.filled() } else { colour.filled() }))?;
    if mark == Mark::Hollow {
        root.draw(&Circle::new(at, radius, stroke(colour, 1.5)))?;
    }
    Ok(())
}

/// The path without the points that make no visible difference (Douglas & Peucker 1973). On whole numbers, so that it chooses the same points everywhere.
fn simplified(path: &[(i32, i32)]) -> Vec<(i32, i32)> {
    let [first, inner @ .., last] = path else { return path.to_vec() };
    let (dx, dy) = (f64::from(last.0 - first.0), f64::from(last.1 - first.1));
    let away = |point: &(i32, i32)| (dx * f64::from(point.1 - first.1) - dy * f64::from(point.0 - first.0)).abs() / dx.hypot(dy);
    match inner.iter().enumerate().max_by(|(_, a), (_, b)| away(a).total_cmp(&away(b))) {
        Some((index, point)) if away(point) > TOLERANCE => {
            let mut start = simplified(&path[..=index + 1]);
            start.extend(simplified(&path[index + 1..]).into_iter().skip(1));
            start
        }
        _ => vec![*first, *last],
    }
}
