//! The pictures under `docs/curves` are those that the example draws today, and can be read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

#[path = "../examples/curves/catalogue.rs"]
mod catalogue;
#[path = "../examples/common/chart.rs"]
mod chart;

use std::{collections::BTreeMap, fs, path::Path};

use ndarray_activations::{catalog, testing};

/// In tenths of a pixel: the last digit of a function may differ between instruction sets.
const TOLERANCE: f64 = 2.0;

fn drawn() -> BTreeMap<String, String> {
    catalogue::pictures().unwrap().into_iter().collect()
}

/// The text between the numbers, and the numbers.
fn parts(svg: &str) -> (Vec<&str>, Vec<f64>) {
    let numeric = |c: char| c.is_ascii_digit() || c == '.';
    (svg.split(numeric).filter(|text| !text.is_empty()).collect(), svg.split(|c| !numeric(c)).filter_map(|number| number.parse().ok()).collect())
}

fn same(a: &str, b: &str) -> bool {
    let ((texts_a, a), (texts_b, b)) = (parts(a), parts(b));
    texts_a == texts_b && a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= TOLERANCE)
}

#[test]
fn the_committed_pictures_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/curves");
    let drawn = drawn();
    assert_eq!(drawn.len(), catalog().count() + 1);
    let again = "draw them anew: cargo run --release --example curves";
    testing::each_level(|level| {
        for (name, svg) in catalogue::pictures().unwrap() {
            let committed = fs::read_to_string(folder.join(&name)).unwrap_or_else(|error| panic!("docs/curves/{name}: {error}; {again}"));
            assert!(same(&committed, &svg), "docs/curves/{name} is not what the code draws with {level}; {again}");
        }
    });
    for file in fs::read_dir(&folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(drawn.contains_key(&name), "docs/curves/{name} is nobody's picture: delete it");
    }
}

#[test]
fn comparison_sees_what_matters() {
    assert!(same("<a x=\"10\"/>", "<a x=\"12\"/>"));
    assert!(!same("<a x=\"10\"/>", "<a x=\"13\"/>"));
    assert!(!same("<a x=\"10\"/>", "<b x=\"10\"/>"));
    assert!(!same("1 2", "1 2 3"));
}

/// The value of an attribute.
fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    element.split_once(&format!(" {name}=\""))?.1.split_once('"').map(|(value, _)| value)
}

#[test]
fn no_text_is_cut_off_and_no_file_is_heavy() {
    for (name, svg) in drawn() {
        assert!(svg.len() < if name == "overview.svg" { 56_000 } else { 20_000 }, "{name}: {} bytes", svg.len());
        // One block of HTML wherever a page takes it in.
        assert!(svg.starts_with("<svg ") && !svg.contains("\n\n"), "{name}");
        let head = svg.lines().next().unwrap();
        let number = |element: &str, name: &str| attribute(element, name).map(|value| value.parse::<f64>().unwrap());
        let width = 10.0 * number(head, "width").unwrap();
        for text in svg.split("<text").skip(1) {
            let label = text.split_once('>').unwrap().1.split_once("</text>").unwrap().0.trim();
            let size = number(text, "font-size").or(number(head, "font-size")).unwrap();
            let (x, length) = (number(text, "x").unwrap(), 0.55 * size * label.replace("&gt;", ">").replace("&lt;", "<").chars().count() as f64);
            let start = match attribute(text, "text-anchor") {
                Some("start") => x,
                Some("end") => x - length,
                _ => x - length / 2.0,
            };
            assert!(start >= 0.0 && start + length <= width, "{name}: {label:?} goes from {start} to {} of {width}", start + length);
        }
    }
}

/// The lines of the first colour, as coordinates.
fn lines(svg: &str) -> Vec<Vec<(f64, f64)>> {
    let curves = svg.lines().filter(|line| line.contains("<polyline") && attribute(line, "stroke") == Some("#0072B2"));
    let point = |text: &str| text.split_once(',').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).unwrap();
    curves.map(|line| attribute(line, "points").unwrap().split(' ').map(point).collect()).collect()
}

/// Drawn from the definition: flat to the middle, then up to the right; the derivative in two pieces that no line joins, with a point for the value at 0.
#[test]
fn relu_looks_like_relu() {
    let svg = &drawn()["relu.svg"];
    let [value, below, above, ..] = &lines(svg)[..] else { panic!("value and two pieces of the derivative") };
    let [left, kink, right] = value[..] else { panic!("{value:?}") };
    assert_eq!(left.1, kink.1);
    assert!((left.0 + right.0 - 2.0 * kink.0).abs() <= 2.0 && right.1 < kink.1, "{value:?}");
    let ([(start, low), (end, also_low)], [(from, high), (to, also_high)]) = (&below[..], &above[..]) else { panic!("{below:?} {above:?}") };
    assert!(low == also_low && high == also_high && high < low, "{below:?} {above:?}");
    assert!((end - from).abs() <= 1.0 && ((end - start) - (to - from)).abs() <= 2.0, "{below:?} {above:?}");
    // Hollow at the limit from the right (a white disc and a ring), filled at the convention 0; and the two keys of the legend.
    let discs: Vec<(f64, f64)> = svg
        .lines()
        .filter(|line| line.contains("<circle"))
        .map(|line| ["cx", "cy"].map(|name| attribute(line, name).unwrap().parse().unwrap()).into())
        .collect();
    assert_eq!(discs.len(), 6);
    assert!(
        (discs[0].0 - from).abs() <= 1.0 && discs[0].1 == *high && discs[1] == discs[0] && (discs[2].0 - end).abs() <= 1.0 && discs[2].1 == *low,
        "{discs:?}"
    );
}
