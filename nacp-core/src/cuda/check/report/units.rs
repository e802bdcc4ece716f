//! Numbers as people read them.

use super::{Metric, Unit};

/// The value with its unit, in three digits.
pub(crate) fn human(value: f64, unit: Unit) -> String {
    const BINARY: [(f64, &str); 4] = [(1.0, "B"), (1024.0, "KiB"), (1048576.0, "MiB"), (1073741824.0, "GiB")];
    const SECONDS: [(f64, &str); 4] = [(1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s")];
    match unit {
        Unit::Seconds => scaled(value, &SECONDS),
        Unit::Bytes => scaled(value, &BINARY),
        Unit::BytesPerSecond => scaled(value, &[(1.0, "B/s"), (1e3, "kB/s"), (1e6, "MB/s"), (1e9, "GB/s")]),
        Unit::FlopPerSecond => scaled(value, &[(1.0, "FLOP/s"), (1e6, "MFLOP/s"), (1e9, "GFLOP/s"), (1e12, "TFLOP/s")]),
        Unit::PerSecond => scaled(value, &[(1.0, "/s"), (1e3, "k/s"), (1e6, "M/s")]),
        Unit::Megahertz => format!("{} MHz", digits(value)),
        Unit::Celsius => format!("{} °C", digits(value)),
        Unit::Watts => format!("{} W", digits(value)),
        Unit::Ratio => format!("{} %", digits(value * 100.0)),
        Unit::Count => digits(value),
    }
}

/// A metric with its name.
pub(super) fn named(metric: &Metric) -> String {
    let value = human(metric.value, metric.unit);
    let p99 = metric.p99.filter(|p99| *p99 != metric.value).map(|p99| format!(" (p99 {})", human(p99, metric.unit)));
    format!("{} {value}{}", metric.name, p99.unwrap_or_default())
}

fn scaled(value: f64, scales: &[(f64, &str)]) -> String {
    let fits = |(scale, _): &&(f64, &str)| value.abs() >= *scale;
    let smallest = scales.first().copied().unwrap_or((1.0, ""));
    let (scale, name) = if value == 0.0 {
        scales.iter().find(|(scale, _)| *scale == 1.0).copied().unwrap_or(smallest)
    } else {
        scales.iter().rev().find(fits).copied().unwrap_or(smallest)
    };
    format!("{} {name}", digits(value / scale))
}

/// Three digits that count, and no more zeros than there are; whole numbers whole.
fn digits(value: f64) -> String {
    if !value.is_finite() {
        return "?".to_owned();
    }
    let size = value.abs();
    if size >= 100.0 || value == value.trunc() {
        return format!("{value:.0}");
    }
    let places = if size >= 10.0 {
        1
    } else if size >= 1.0 {
        2
    } else {
        3
    };
    format!("{value:.places$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_unit_that_people_use_for_its_size() {
        for (value, unit, expected) in [
            (0.0000213, Unit::Seconds, "21.3 µs"),
            (0.0, Unit::Seconds, "0 s"),
            (0.2, Unit::Seconds, "200 ms"),
            (12.34, Unit::Seconds, "12.3 s"),
            (2e-10, Unit::Seconds, "0.200 ns"),
            (24.1e9, Unit::BytesPerSecond, "24.1 GB/s"),
            (3352e9, Unit::BytesPerSecond, "3352 GB/s"),
            (7.6e12, Unit::FlopPerSecond, "7.60 TFLOP/s"),
            (66.9e12, Unit::FlopPerSecond, "66.9 TFLOP/s"),
            (4294967296.0, Unit::Bytes, "4 GiB"),
            (123456.0, Unit::PerSecond, "123 k/s"),
            (1485.0, Unit::Megahertz, "1485 MHz"),
            (65.0, Unit::Celsius, "65 °C"),
            (61.25, Unit::Watts, "61.2 W"),
            (0.913, Unit::Ratio, "91.3 %"),
            (1.02, Unit::Ratio, "102 %"),
            (17.0, Unit::Count, "17"),
            (-3.0, Unit::Count, "-3"),
            (f64::NAN, Unit::Count, "?"),
        ] {
            assert_eq!(human(value, unit), expected);
        }
    }

    #[test]
    fn what_was_measured_more_than_once_shows_its_worst_too() {
        let metric = Metric::of("launch", vec![2e-6, 2e-6, 9e-6], Unit::Seconds).unwrap();
        assert_eq!(named(&metric), "launch 2 µs (p99 9 µs)");
        assert_eq!(named(&Metric::once("pinned", 24e9, Unit::BytesPerSecond)), "pinned 24 GB/s");
    }
}
