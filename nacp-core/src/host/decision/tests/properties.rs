//! What holds whatever was measured.

use proptest::prelude::*;

use super::super::{Criterion, Decision, Observed, Pins, Weights, decide};
use super::{device, engine, linux, observed, report, wsl2};
use crate::cuda::CheckId;
use crate::cuda::efficiency::AT_MAX_CLOCK;
use crate::host::{DaemonPlace, RuntimeOption};

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), 0.0..2.0_f64, 1e-9..1e13_f64]
}

fn any_machine() -> impl Strategy<Value = Observed> {
    let place = prop_oneof![
        Just(None),
        Just(Some(DaemonPlace::ThisKernel)),
        Just(Some(DaemonPlace::DesktopWsl2)),
        Just(Some(DaemonPlace::Remote))
    ];
    let numbers = proptest::collection::vec(any_number(), 8);
    (any::<bool>(), place, numbers, proptest::option::of((0..9_u32, 0..9_u32, any_number())), any::<i32>()).prop_map(
        |(windows, place, numbers, pins, second)| {
            let mut survey = if windows { wsl2() } else { linux() };
            survey.host.daemons = place.map(engine).into_iter().collect();
            let mut observed = observed(survey);
            observed.at = jiff::Timestamp::from_second(second.into()).unwrap();
            let figures = [
                (CheckId::ThrFma, "fma_flops", numbers[0]),
                (CheckId::ThrFma, AT_MAX_CLOCK, numbers[1]),
                (CheckId::ThrMma, "mma_sync_flops", numbers[2]),
                (CheckId::ThrMma, AT_MAX_CLOCK, numbers[3]),
                (CheckId::LatLaunch, "host_cost", numbers[4]),
                (CheckId::CtxCreate, "create", numbers[5]),
                (CheckId::BwH2d, "pinned", numbers[6]),
                (CheckId::BwH2d, "ratio_to_link", numbers[7]),
            ];
            observed.report = Some(report(&device("NVIDIA L4", "8.9"), &figures));
            observed.pins = pins.map(|(pinned, total, lock_complete)| Pins { pinned, total, lock_complete });
            observed
        },
    )
}

fn any_weights() -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(prop_oneof![Just(0.0), 0.0..10.0_f64], 7)
        .prop_filter("a weight above 0", |weights| weights.iter().sum::<f64>() > 0.0)
}

fn weights(values: &[f64]) -> Weights {
    Weights::new(Criterion::ALL.iter().zip(values).map(|(criterion, weight)| (criterion.name(), *weight))).unwrap()
}

fn rank(decision: &Decision, option: RuntimeOption) -> u32 {
    decision.column(option).and_then(|column| column.rank).unwrap_or(u32::MAX)
}

proptest! {
    #[test]
    fn every_score_is_from_0_to_1_and_json_keeps_it(mut observed in any_machine(), values in any_weights()) {
        observed.weights = weights(&values);
        let decision = decide(&observed);
        let scores = decision.cells.iter().filter_map(super::super::Cell::score);
        let means = decision.options.iter().flat_map(|column| [column.score.unwrap_or(0.0), column.known, column.measured]);
        for score in scores.chain(means) {
            prop_assert!((0.0..=1.0).contains(&score), "{score}");
        }
        for figure in decision.cells.iter().filter_map(super::super::Cell::measured).flat_map(|it| &it.figures) {
            prop_assert!(figure.score.is_none_or(|score| (0.0..=1.0).contains(&score)), "{figure:?}");
            prop_assert!(figure.value.is_finite(), "{figure:?}");
        }
        prop_assert!(!decision.to_string().is_empty() && !decision.markdown().is_empty() && !decision.html().is_empty());
        let again: Decision = serde_json::from_str(&decision.to_json()).unwrap();
        prop_assert_eq!(again.recommendation.map(|it| it.option), decision.recommendation.map(|it| it.option));
    }

    #[test]
    fn more_weight_on_a_criterion_never_lowers_the_option_that_is_best_by_it(
        mut observed in any_machine(), values in any_weights(), place in 0..7_usize, more in 0.0..10.0_f64
    ) {
        observed.weights = weights(&values);
        let before = decide(&observed);
        let mut values = values;
        values[place] += more;
        observed.weights = weights(&values);
        let after = decide(&observed);
        let compared = &before.recommendation.as_ref().unwrap().compared;
        if let Some(row) = compared.iter().find(|row| row.criterion == Criterion::ALL[place]) {
            let most = row.scores.iter().map(|(_, score)| *score).fold(0.0, f64::max);
            for (option, _) in row.scores.iter().filter(|(_, score)| *score == most) {
                // Of several that are best alike, one may pass another by rounding; none is passed by a worse one.
                let worse = |decision: &Decision| {
                    let passes = row.scores.iter().filter(|(_, score)| *score < most);
                    passes.filter(|(other, _)| rank(decision, *other) < rank(decision, *option)).count()
                };
                prop_assert!(worse(&after) <= worse(&before), "{option}\n{before}\n{after}");
            }
        }
    }

    #[test]
    fn only_the_proportion_of_weights_counts(mut observed in any_machine(), values in any_weights()) {
        observed.weights = weights(&values);
        let one = decide(&observed);
        observed.weights = weights(&values.iter().map(|weight| weight * 4.0).collect::<Vec<_>>());
        let four = decide(&observed);
        prop_assert_eq!(&one.options, &four.options);
    }

    #[test]
    fn the_order_of_what_was_read_does_not_count(mut observed in any_machine()) {
        let mut remote = engine(DaemonPlace::Remote);
        remote.endpoint = "tcp://gpu:2375".into();
        remote.chosen = false;
        observed.survey.host.daemons.push(remote);
        let one = decide(&observed);
        observed.survey.host.daemons.reverse();
        observed.report.as_mut().unwrap().checks.reverse();
        let other = decide(&observed);
        prop_assert_eq!(one.options, other.options);
        prop_assert_eq!(one.recommendation.map(|it| (it.option, it.flips)), other.recommendation.map(|it| (it.option, it.flips)));
    }
}
