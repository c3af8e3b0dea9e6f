//! Judging, fronts, shortlists and sensitivity: by hand, against definitions, and against known functions.

use offing_core::Presets;
use offing_explore::{
    AxisEffect, Judge, Sensitivity, Why, cover, front, front_by_definition, smallest_fix, undominated,
};
use offing_scenarios::{Goal, Space, load};
use proptest::prelude::*;

/// The goal and the space that these lines say.
fn scenario(rest: &str) -> (Goal, Space) {
    let text = format!(
        "app = {{ rate = '1 /s', frame = '1 kB', process = '10 ms' }}\n\
         tier = {{ endpoint = {{}}, edge = {{}}, cloud = {{}} }}\ndeploy.target = 'cloud'\n{rest}"
    );
    let no_files = |name: &str| Err(format!("{name} is not there"));
    let loaded = load(&text, "test.toml", &no_files, &Presets::new(), &[]);
    let scenario = loaded.unwrap_or_else(|issues| panic!("{issues:?}")).scenario;
    (scenario.goal, scenario.space)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

fn judge(require: &[&str], columns: &[&str]) -> Judge {
    let (goal, _) = scenario(&format!("goal.require = {require:?}"));
    Judge::new(&goal, &names(columns))
}

const NAN: f64 = f64::NAN;

#[test]
fn a_miss_says_what_is_missing_and_by_how_much() {
    let judge = judge(
        &["latency_p95_ms <= 150", "throughput_rps >= 5", "stable", "load < 0.9"],
        &["load", "latency_p95_ms", "throughput_rps", "stable"],
    );
    assert!(judge.meets(&[0.89, 150.0, 5.0, 1.0]));
    assert_eq!(judge.misses(&[0.89, 150.0, 5.0, 1.0]), []);
    assert_eq!(judge.distance(&[0.89, 150.0, 5.0, 1.0]), 0.0);
    let row = [0.9, 163.2, 4.0, 0.0];
    assert!(!judge.meets(&row));
    let told: Vec<String> = judge.misses(&row).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "latency_p95_ms <= 150: is 163.2, 13.2 too much",
            "throughput_rps >= 5: is 4, 1 too little",
            "stable: does not hold",
            "load < 0.9: is 0.9 exactly",
        ]
    );
    assert_eq!(judge.distance(&row), f64::INFINITY, "`stable` has no number");
    assert_eq!(judge.distance(&[0.5, 165.0, 4.0, 1.0]), 0.2, "the larger of 10 % and 20 %");
    assert!(judge.distance(&[0.9, 100.0, 5.0, 1.0]) > 0.0, "not met, though nothing is missing");
    assert_eq!(judge.uses(), [0, 1, 2, 3]);
}

#[test]
fn a_value_next_to_its_bound_is_told_apart_from_it() {
    let judge = judge(&["latency_p95_ms <= 150"], &["latency_p95_ms"]);
    assert_eq!(
        judge.misses(&[150.0001])[0].to_string(),
        "latency_p95_ms <= 150: is 150.0001, 0.0001 too much"
    );
    assert_eq!(judge.misses(&[f64::INFINITY])[0].to_string(), "latency_p95_ms <= 150: is without limit");
}

#[test]
fn what_is_not_known_meets_nothing_and_says_so() {
    let judge = judge(
        &["energy_j_per_request <= 5", "energy_j_per_request * 2 < 3 || load < 0.5"],
        &["energy_j_per_request", "load"],
    );
    let told: Vec<String> = judge.misses(&[NAN, 0.7]).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "energy_j_per_request <= 5: energy_j_per_request is not known",
            "energy_j_per_request * 2 < 3 || load < 0.5: energy_j_per_request is not known",
        ]
    );
    assert_eq!(judge.misses(&[NAN, 0.3]).len(), 1, "the other side decides the second");
    assert_eq!(judge.distance(&[NAN, 0.3]), f64::INFINITY);
    let without = self::judge(&["load < 1"], &["latency_p95_ms"]);
    assert!(!without.meets(&[1.0]), "rows do not have the metric");
    assert_eq!(without.misses(&[1.0])[0].to_string(), "load < 1: load is not known");
}

#[test]
fn intervals_are_judged_only_where_both_ends_agree() {
    let columns = ["latency_p95_ms", "load"];
    let judge = judge(&["latency_p95_ms <= 150", "load > 0.1"], &columns);
    assert_eq!(judge.verdict(&[100.0, 0.2], &[150.0, 0.3]), Some(true));
    assert_eq!(judge.verdict(&[100.0, 0.2], &[151.0, 0.3]), None);
    assert_eq!(judge.verdict(&[150.1, 0.2], &[NAN, 0.3]), Some(false));
    assert_eq!(judge.verdict(&[NAN, 0.2], &[NAN, 0.3]), None);
    assert_eq!(judge.verdict(&[NAN, 0.0], &[NAN, 0.1]), Some(false));
    let both = self::judge(&["latency_p95_ms < 150 && load > 0.1"], &columns);
    assert_eq!(both.verdict(&[100.0, 0.2], &[100.0, 0.2]), Some(true));
    assert_eq!(both.verdict(&[100.0, 0.2], &[101.0, 0.2]), None);
    let rows = [vec![100.0, 0.2], vec![101.0, 0.2]];
    assert_eq!(both.verdict_of(&[99.0, 0.2], &[102.0, 0.2], &rows), Some(true));
}

proptest! {
    #[test]
    fn the_fast_comparison_is_that_of_the_expression(
        value in prop_oneof![Just(NAN), Just(0.5), 0.0..1.0], bound in prop_oneof![Just(0.5), 0.0..1.0],
        sign in prop::sample::select(vec!["<", "<=", ">", ">="]), mirrored: bool,
    ) {
        let fast = if mirrored { format!("{bound:?} {sign} load") } else { format!("load {sign} {bound:?}") };
        // A conjunction is no limit, so it goes the long way.
        let slow = format!("({fast}) && true");
        let (fast, slow) = (judge(&[&fast], &["load"]), judge(&[&slow], &["load"]));
        prop_assert_eq!(fast.meets(&[value]), slow.meets(&[value]));
        prop_assert_eq!(fast.meets(&[value]), fast.misses(&[value]).is_empty());
        prop_assert_eq!(fast.meets(&[value]), fast.distance(&[value]) == 0.0);
    }
}

#[test]
fn a_front_by_hand() {
    let points = [1.0, 5.0, 2.0, 3.0, 2.0, 4.0, 4.0, 1.0, 2.0, 3.0, NAN, 0.0, 5.0, 1.0];
    assert_eq!(front(&points, 2), [0, 1, 3, 4], "equal rows are both kept, and 5, 1 is beaten by 4, 1");
    assert_eq!(front(&[3.0, 1.0, NAN, 1.0], 1), [1, 3]);
    assert_eq!(front(&[0.0, 1.0, -0.0, 1.0], 2), [0, 1], "there is one zero");
    assert_eq!(front(&[], 3), [0; 0]);
    assert_eq!(front(&[f64::INFINITY, 0.0, 1.0, 0.0, f64::INFINITY, -1.0], 2), [1, 2]);
}

/// Few different values, so that ties are everywhere, or many.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (0..6_i32).prop_map(f64::from),
        6 => -1.0..1.0,
        1 => prop::sample::select(vec![NAN, 0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY]),
    ]
}

fn rows(most: usize) -> impl Strategy<Value = (usize, Vec<f64>)> {
    (1..7_usize, 0..most)
        .prop_flat_map(|(width, rows)| (Just(width), prop::collection::vec(number(), width * rows)))
}

/// Rows that hardly beat each other: on a sphere, with some doubled.
fn sphere(width: usize, count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as f64 / (1_u64 << 31) as f64
    };
    let mut points: Vec<f64> = Vec::new();
    for row in 0..count {
        if row % 7 == 6 {
            points.extend_from_within((row - 3) * width..(row - 2) * width);
            continue;
        }
        let mut point: Vec<f64> = (0..width).map(|_| next() + 0.01).collect();
        let length = point.iter().map(|x| x * x).sum::<f64>().sqrt();
        point.iter_mut().for_each(|x| *x = (*x / length * 32.0).round() / 32.0);
        points.extend(point);
    }
    points
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_fast_front_is_the_front((width, points) in rows(200)) {
        prop_assert_eq!(front(&points, width), front_by_definition(&points, width));
    }

    #[test]
    fn no_row_is_dropped_that_may_be_on_the_front((width, ends) in rows(120)) {
        // The second half are widths of the intervals of the first.
        let rows = ends.len() / width / 2;
        let low = &ends[..rows * width];
        let widths = &ends[rows * width..][..rows * width];
        let high: Vec<f64> = low.iter().zip(widths).map(|(low, width)| low + width.abs().floor()).collect();
        let row = |points: &[f64], at: usize| points[at * width..][..width].to_vec();
        let drops = |by: usize, at: usize| {
            let high = row(&high, by).into_iter().map(|x| if x.is_nan() { f64::INFINITY } else { x }).collect::<Vec<_>>();
            let low = row(low, at).into_iter().map(|x| if x.is_nan() { f64::NEG_INFINITY } else { x }).collect::<Vec<_>>();
            high.iter().zip(&low).all(|(high, low)| high <= low)
                && high.iter().zip(&low).any(|(high, low)| high < low)
        };
        let expected: Vec<usize> = (0..rows).filter(|&at| !(0..rows).any(|by| drops(by, at))).collect();
        prop_assert_eq!(undominated(low, &high, width), expected);
    }
}

#[test]
fn large_fronts_are_those_of_the_definition() {
    for width in 2..=7 {
        for count in [500, 2_000] {
            let points = sphere(width, count, width as u64);
            let found = front(&points, width);
            assert_eq!(found, front_by_definition(&points, width), "{count} rows of {width}");
            assert_eq!(undominated(&points, &points, width), found, "intervals without width");
        }
    }
}

#[test]
fn a_shortlist_covers_the_front_and_has_no_near_copies() {
    // Three clusters of a hundred rows along a front, each a thousandth wide.
    let mut points = Vec::new();
    for centre in [0.0, 0.4, 1.0] {
        for i in 0..100 {
            let x = centre + f64::from(i) * 1e-5;
            points.extend([x, 2.0 - x]);
        }
    }
    let all = front(&points, 2);
    assert_eq!(all.len(), 300);
    let picks = cover(&points, 2, &all, 10);
    let clusters: Vec<usize> = picks.iter().map(|pick| pick.row / 100).collect();
    assert_eq!(clusters, [0, 2, 1], "one of each cluster, and then no more");
    assert_eq!((picks[0].why, picks[1].why, picks[2].why), (Why::Lowest(0), Why::Lowest(1), Why::Knee));
}

#[test]
fn a_shortlist_closes_the_widest_gap_next() {
    let line: Vec<f64> = (0..=100).flat_map(|i| [f64::from(i), 100.0 - f64::from(i)]).collect();
    let picks = cover(&line, 2, &front(&line, 2), 5);
    let rows: Vec<usize> = picks.iter().map(|pick| pick.row).collect();
    assert_eq!(rows, [0, 100, 50, 25, 75]);
    let told = picks[3].why.with(&names(&["cost_usd_per_hour", "latency_p95_ms"])).to_string();
    assert_eq!(
        told,
        "closes the widest gap: 25 % of the range of cost_usd_per_hour from its nearest neighbour in the list"
    );
    assert_eq!(cover(&line, 2, &front(&line, 2), 0), []);
    assert_eq!(cover(&line, 2, &front(&line, 2), 1).len(), 1);
}

#[test]
fn rows_that_tie_are_one_pick_and_metrics_that_do_not_vary_are_none() {
    let points = [1.0, 7.0, 9.0, 2.0, 7.0, 5.0, 1.0, 7.0, 9.0, 4.0, 7.0, 1.0];
    let picks = cover(&points, 3, &front(&points, 3), 10);
    assert_eq!((picks[0].row, &picks[0].ties[..]), (0, &[2][..]));
    assert!(picks.iter().all(|pick| pick.why != Why::Lowest(1)), "{picks:?}");
}

#[test]
fn a_metric_over_many_decades_is_covered_by_its_logarithm() {
    // One over x: a linear range would see a single row in the upper half.
    let points: Vec<f64> = (0..=60).flat_map(|i| [10_f64.powf(f64::from(i) / 10.0), -f64::from(i)]).collect();
    let picks = cover(&points, 2, &front(&points, 2), 5);
    let mut rows: Vec<usize> = picks.iter().map(|pick| pick.row).collect();
    rows.sort_unstable();
    assert_eq!(rows, [0, 15, 30, 45, 60]);
}

#[test]
fn the_smallest_fix_takes_the_fewest_steps_and_then_the_smallest_ratio() {
    let (_, space) = scenario(
        "[space]\n'deploy.target' = ['endpoint', 'edge', 'cloud']\n'tier.edge.nodes' = [1, 2, 4, 8]\n\
         'tier.cloud.cores' = { from = 1, to = 16, step = 1 }",
    );
    let at = [2, 0, 5];
    let fix = |feasible: &dyn Fn(&[u64]) -> bool| {
        smallest_fix(&space, &at, feasible).map(|fix| fix.describe(&space))
    };
    assert_eq!(fix(&|digits| digits[2] >= 7 || digits[1] >= 3), Some("tier.cloud.cores: 6 -> 8".into()));
    assert_eq!(
        fix(&|digits| digits[1] == 1 || digits[2] == 6),
        Some("tier.cloud.cores: 6 -> 7".into()),
        "7/6 is less than 2/1"
    );
    assert_eq!(
        fix(&|digits| digits[0] == 0 || digits[2] == 7),
        Some("deploy.target: cloud -> endpoint".into())
    );
    assert_eq!(fix(&|digits| digits[2] == 3 && digits[0] == 2), Some("tier.cloud.cores: 6 -> 4".into()));
    assert_eq!(fix(&|_| false), None);
}

/// Effects of a function over a full product.
fn effects(lengths: &[u64], function: impl Fn(&[u64]) -> f64) -> Vec<AxisEffect> {
    let mut sensitivity = Sensitivity::new(lengths, 1);
    let product: u64 = lengths.iter().product();
    for number in 0..product {
        sensitivity.add(&digits(lengths, number), &[function(&digits(lengths, number))]);
    }
    sensitivity.finish()
}

fn digits(lengths: &[u64], mut number: u64) -> Vec<u64> {
    let mut digits: Vec<u64> = lengths
        .iter()
        .rev()
        .map(|length| {
            let digit = number % length;
            number /= length;
            digit
        })
        .collect();
    digits.reverse();
    digits
}

fn first_orders(effects: &[AxisEffect]) -> Vec<f64> {
    effects.iter().map(|effect| effect.metrics[0].first_order).collect()
}

#[test]
fn the_indices_of_a_sum_can_be_checked_by_hand() {
    // Variances: 1/4 of a 0-1 axis, 4 times that for twice the axis, none of the third.
    let effects = effects(&[2, 2, 3], |x| 1e9 + x[0] as f64 + 2.0 * x[1] as f64);
    for (found, expected) in first_orders(&effects).iter().zip([0.2, 0.8, 0.0]) {
        assert!((found - expected).abs() < 1e-8, "{found} is not {expected}");
    }
    let metric = &effects[1].metrics[0];
    assert!(metric.is_exact);
    assert_eq!((metric.lowest, metric.highest), (1e9 + 0.5, 1e9 + 2.5));
    assert_eq!((metric.main[1].digit, metric.main[1].count), (1, 6));
}

#[test]
fn the_indices_of_a_product_leave_room_for_the_interaction() {
    // Y = X1 X2 on 0-1: variance 3/16, of each conditional mean 1/16.
    for index in first_orders(&effects(&[2, 2], |x| (x[0] * x[1]) as f64)) {
        assert!((index - 1.0 / 3.0).abs() < 1e-12, "{index}");
    }
}

/// Ishigami and Homma, 1990, with a = 7 and b = 0.1: S1 = 0.3139, S2 = 0.4424, S3 = 0.
fn ishigami(x: &[f64]) -> f64 {
    x[0].sin() + 7.0 * x[1].sin().powi(2) + 0.1 * x[2].powi(4) * x[0].sin()
}

fn angle(digit: u64, length: u64) -> f64 {
    ((digit as f64 + 0.5) / length as f64 * 2.0 - 1.0) * std::f64::consts::PI
}

const ISHIGAMI: [f64; 3] = [0.3139, 0.4424, 0.0];

#[test]
fn the_indices_of_ishigami_are_found_on_a_grid() {
    let lengths = [80, 80, 80];
    let effects = effects(&lengths, |x| ishigami(&[angle(x[0], 80), angle(x[1], 80), angle(x[2], 80)]));
    for (found, expected) in first_orders(&effects).iter().zip(ISHIGAMI) {
        assert!((found - expected).abs() < 1e-3, "{found} is not {expected}");
    }
}

#[test]
fn the_indices_of_ishigami_are_estimated_from_a_sample() {
    // With many values per axis, one of them binned, and fewer rows than values of another.
    for (lengths, rows, tolerance) in
        [([64, 64, 64], 4_000, 0.03), ([500, 5_000, 900], 4_000, 0.05), ([4_000, 4_000, 4_000], 1_000, 0.1)]
    {
        let mut sensitivity = Sensitivity::new(&lengths, 2);
        let mut state = 1_u64;
        for _ in 0..rows {
            let x: Vec<u64> = lengths
                .iter()
                .map(|length| {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (state >> 33) % length
                })
                .collect();
            let angles: Vec<f64> = x.iter().zip(&lengths).map(|(&x, &length)| angle(x, length)).collect();
            // What has nothing to do with the axes: its indices are nothing.
            let noise = (state >> 20) as f64;
            sensitivity.add(&x, &[ishigami(&angles), noise]);
        }
        let effects = sensitivity.finish();
        for (found, expected) in first_orders(&effects).iter().zip(ISHIGAMI) {
            assert!((found - expected).abs() < tolerance, "{lengths:?}: {found} is not {expected}");
        }
        for effect in &effects {
            assert!(!effect.metrics[0].is_exact);
            assert!(effect.metrics[1].first_order < tolerance, "{lengths:?}: {effect:?}");
        }
    }
}

#[test]
fn rows_that_do_not_know_a_metric_are_left_out_of_that_metric() {
    let mut sensitivity = Sensitivity::new(&[2, 2], 2);
    for (digits, values) in
        [([0, 0], [1.0, NAN]), ([0, 1], [1.0, 4.0]), ([1, 0], [3.0, 6.0]), ([1, 1], [3.0, f64::INFINITY])]
    {
        sensitivity.add(&digits, &values);
    }
    let effects = sensitivity.finish();
    let [known, partly] = &effects[0].metrics[..] else { panic!("two metrics") };
    assert_eq!((known.first_order, known.is_exact), (1.0, true));
    assert!(!partly.is_exact);
    assert_eq!(partly.main.iter().map(|level| level.count).collect::<Vec<_>>(), [1, 1]);
    assert!(effects[1].metrics[0].first_order.abs() < 1e-12);
}

#[test]
fn a_metric_that_does_not_vary_has_no_indices() {
    assert!(first_orders(&effects(&[3, 3], |_| 0.1)).iter().all(|index| index.is_nan()));
    assert!(first_orders(&effects(&[3, 1], |x| x[0] as f64))[1].abs() < 1e-12, "an axis of one value");
}
