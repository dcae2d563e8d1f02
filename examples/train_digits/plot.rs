//! The loss curves as an SVG picture.

use plotters::{
    element::DashedPathElement,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::{Failure, Trained};

const SIZE: (u32, u32) = (960, 600);
/// The legend has a strip of its own beside the chart: inside, it would cover the curves.
const LEGEND_WIDTH: u32 = 190;
const LEGEND_TOP: i32 = 78;
const LEGEND_STEP: usize = 28;
const LINE: u32 = 2;
const DASH: u32 = 5;

const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(51, 51, 51);
const GRID: RGBColor = RGBColor(225, 225, 225);
const COLOURS: [RGBColor; 10] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(214, 39, 40),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(227, 119, 194),
    RGBColor(127, 127, 127),
    RGBColor(188, 189, 34),
    RGBColor(23, 190, 207),
];

/// Below this a loss is rounding error in `f32`, and zero has no place on a logarithmic axis.
const SMALLEST_LOSS: f64 = 1e-7;

/// The training loss of every epoch, one curve per activation.
pub(crate) fn loss_curves(trained: &[Trained], title: &str) -> Result<String, Failure> {
    let curves: Vec<Curve<'_>> = trained
        .iter()
        .zip(COLOURS.into_iter().cycle())
        .enumerate()
        .map(|(index, (run, colour))| Curve {
            label: &run.label,
            colour,
            dashed: index % 2 == 1,
            points: (1..).zip(run.losses.iter().map(|&loss| loss.max(SMALLEST_LOSS))).collect(),
        })
        .collect();
    let points = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let last_epoch = points().map(|(epoch, _)| epoch).fold(2, u32::max);
    // From a power of ten on, so that one at least has its label on the axis; just below it, lest rounding leave it out.
    let lowest = 0.98 * points().map(|(_, loss)| 10f64.powf(loss.log10().floor())).fold(f64::INFINITY, f64::min);
    let highest = 1.3 * points().map(|(_, loss)| loss).fold(0.0, f64::max);

    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (chart_area, legend_area) = area.split_horizontally(SIZE.0 - LEGEND_WIDTH);

    let mut chart = ChartBuilder::on(&chart_area)
        .caption(title, (FONT, 20).into_font().color(&INK))
        .margin(18)
        .x_label_area_size(48)
        .y_label_area_size(82)
        .build_cartesian_2d(1..last_epoch, (lowest..highest).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .y_desc("training loss (cross-entropy)")
        // As `f32`, since the ticks carry rounding errors: 0.1, not 0.10000000000000002.
        .y_label_formatter(&|&loss| (loss as f32).to_string())
        .label_style((FONT, 15).into_font().color(&INK))
        .axis_desc_style((FONT, 16).into_font().color(&INK))
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .draw()?;

    let (solid, dashed): (Vec<_>, Vec<_>) = curves.iter().partition(|curve| !curve.dashed);
    for curve in solid {
        chart.draw_series(LineSeries::new(curve.points.iter().copied(), curve.colour.stroke_width(LINE)))?;
    }
    for curve in dashed {
        chart.draw_series(DashedLineSeries::new(curve.points.iter().copied(), DASH, DASH, curve.colour.stroke_width(LINE)))?;
    }
    // A dot at the end, which is all there is to see after a single epoch.
    chart.draw_series(curves.iter().filter_map(|curve| Some(Circle::new(*curve.points.last()?, 3, curve.colour.filled()))))?;

    let text = (FONT, 16).into_font().color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
    for (curve, y) in curves.iter().zip((LEGEND_TOP..).step_by(LEGEND_STEP)) {
        let gap = if curve.dashed { DASH } else { 0 };
        legend_area.draw(&DashedPathElement::new([(4, y), (34, y)], DASH, gap, curve.colour.stroke_width(LINE)))?;
        legend_area.draw(&Text::new(curve.label.to_owned(), (44, y), text.clone()))?;
    }

    area.present()?;
    drop((chart, chart_area, legend_area, area));
    Ok(svg)
}

struct Curve<'a> {
    label: &'a str,
    colour: RGBColor,
    /// Curves may coincide, such as those of `ReLU` and `LeakyReLU`: every second one is dashed, and drawn over the solid ones.
    dashed: bool,
    /// Epoch and loss.
    points: Vec<(u32, f64)>,
}
