//! Draws the results: polls on the horizontal axis, lag on the vertical axis, and one curve for
//! each client. Results at the lower left are better.

use std::path::Path;

use plotters::prelude::*;

use super::Row;
use super::simulation::{FIXED, Figures};

/// The curves of the engine: its additional information, and the colour.
const OURS: [(&str, RGBColor); 2] = [
    ("nothing", RGBColor(200, 40, 40)),
    ("history", RGBColor(230, 140, 20)),
];
const GREYS: [RGBColor; 4] = [
    RGBColor(60, 110, 160),
    RGBColor(90, 150, 190),
    RGBColor(110, 170, 140),
    RGBColor(140, 140, 170),
];

pub fn draw(rows: &[Row], file: &Path) {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (900, 560)).into_drawing_area();
        area.fill(&WHITE).unwrap();
        let mut chart = ChartBuilder::on(&area)
            .caption(
                "Polls of a run, and the lag of its report",
                ("sans-serif", 20),
            )
            .margin(14)
            .x_label_area_size(46)
            .y_label_area_size(62)
            .build_cartesian_2d((1.0_f64..30_000.0).log_scale(), (0.2_f64..60.0).log_scale())
            .unwrap();
        let number = |value: &f64| {
            if *value < 1.0 {
                format!("{value:.1}")
            } else {
                format!("{value:.0}")
            }
        };
        chart
            .configure_mesh()
            .x_desc("polls per run")
            .y_desc("mean lag in seconds")
            .x_label_formatter(&number)
            .y_label_formatter(&number)
            .light_line_style(TRANSPARENT)
            .draw()
            .unwrap();
        for ((place, (interval, client)), colour) in FIXED.iter().enumerate().zip(GREYS) {
            let curve = curve(rows, "nothing", |row| &row.fixed[place].1);
            series(
                &mut chart,
                curve,
                &format!("every {interval} s: {client}"),
                colour,
                1,
            );
        }
        for (known, colour) in OURS {
            let name = if known == "nothing" {
                "hightouch-sync"
            } else {
                "hightouch-sync, earlier runs known"
            };
            series(
                &mut chart,
                curve(rows, known, |row| &row.engine),
                name,
                colour,
                3,
            );
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.9))
            .border_style(BLACK.mix(0.3))
            .label_font(("sans-serif", 13))
            .draw()
            .unwrap();
        area.present().unwrap();
    }
    std::fs::write(file, svg).unwrap();
}

/// Returns the polls, the lag and the class name of the runs of one spread, from the shortest to
/// the longest.
fn curve<'r>(
    rows: &'r [Row],
    known: &str,
    of: impl Fn(&'r Row) -> &'r Figures,
) -> Vec<(f64, f64, &'r str)> {
    let chosen = rows
        .iter()
        .filter(|row| row.known == known && row.spread < 0.2);
    chosen
        .map(|row| (of(row).polls, of(row).lag, row.class))
        .collect()
}

type Chart<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<
        plotters::coord::combinators::LogCoord<f64>,
        plotters::coord::combinators::LogCoord<f64>,
    >,
>;

fn series(
    chart: &mut Chart<'_, '_>,
    curve: Vec<(f64, f64, &str)>,
    name: &str,
    colour: RGBColor,
    width: u32,
) {
    let points: Vec<(f64, f64)> = curve.iter().map(|(polls, lag, _)| (*polls, *lag)).collect();
    chart
        .draw_series(LineSeries::new(points.clone(), colour.stroke_width(width)))
        .unwrap()
        .label(name)
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(width)));
    chart
        .draw_series(
            points
                .into_iter()
                .map(|point| Circle::new(point, width + 1, colour.filled())),
        )
        .unwrap();
    if name == "hightouch-sync" {
        let labels = curve.into_iter().map(|(polls, lag, class)| {
            Text::new(
                class.to_owned(),
                (polls * 1.08, lag * 0.86),
                ("sans-serif", 13).into_font().color(&colour),
            )
        });
        chart.draw_series(labels).unwrap();
    }
}
