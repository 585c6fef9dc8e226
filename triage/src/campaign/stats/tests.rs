//! Compares with numbers from scipy 1.17.1 and lifelines 0.30.3. The comment of a test names the
//! function that gave its numbers.

use super::*;

fn found(seconds: &[f64]) -> Vec<Time> {
    let time = |&seconds| Time {
        seconds,
        found: true,
    };
    seconds.iter().map(time).collect()
}

fn censored(seconds: &[f64]) -> Vec<Time> {
    let mut times = found(seconds);
    times.iter_mut().for_each(|time| time.found = false);
    times
}

#[track_caller]
fn same(value: f64, reference: f64) {
    assert!((value - reference).abs() < 1e-6, "{value}, not {reference}");
}

/// The remissions under 6-MP of Freireich et al. (1963), in weeks. In weeks 6 and 10 some
/// remissions end and others are censored. Other weeks have only censored remissions.
fn remissions() -> Vec<Time> {
    let ends = [6., 6., 6., 7., 10., 13., 16., 22., 23.];
    let without = [6., 9., 10., 11., 17., 19., 20., 25., 32., 32., 34., 35.];
    [found(&ends), censored(&without)].concat()
}

/// `KaplanMeierFitter().fit(t, e).survival_function_`, `.median_survival_time_`.
#[test]
fn the_curve_is_that_of_lifelines() {
    let curve = kaplan_meier(&remissions());
    let expected = [
        (6., 0.857142857142857),
        (7., 0.8067226890756299),
        (10., 0.7529411764705878),
        (13., 0.6901960784313722),
        (16., 0.6274509803921566),
        (22., 0.5378151260504199),
        (23., 0.44817927170868327),
    ];
    assert_eq!(curve.len(), expected.len());
    for (step, (seconds, survival)) in curve.iter().zip(expected) {
        same(step.seconds, seconds);
        same(step.survival, survival);
    }
    assert_eq!(median(&curve), Some(23.0));
    same(survival_at(&curve, 5.9), 1.0);
    same(survival_at(&curve, 9.0), 0.8067226890756299);
    same(survival_at(&curve, 99.0), 0.44817927170868327);
}

/// `restricted_mean_survival_time(km, t)`.
#[test]
fn the_restricted_mean_is_that_of_lifelines() {
    let curve = kaplan_meier(&remissions());
    for (limit, mean) in [
        (10., 9.277310924369745),
        (20., 16.116526610644254),
        (35., 23.287394957983185),
    ] {
        same(restricted_mean(&curve, limit), mean);
    }
}

#[test]
fn what_is_never_found_takes_the_whole_time() {
    let never = censored(&[60.0; 4]);
    assert_eq!(kaplan_meier(&never), []);
    same(restricted_mean(&[], 60.0), 60.0);
    assert_eq!(median(&[]), None);
    assert_eq!(
        interval_of_mean(&[never.clone(), never], 60.0),
        (60.0, 60.0)
    );
}

/// If no time is censored before the limit, the restricted mean is the mean. The interval contains
/// the mean, and is the same each time.
#[test]
fn the_interval_is_around_the_mean_and_repeats() {
    let groups: Vec<_> = (1..=8)
        .map(|bug| found(&[f64::from(bug), f64::from(bug) + 0.5]))
        .collect();
    let mean = restricted_mean(&kaplan_meier(&groups.concat()), 60.0);
    same(mean, 4.75);
    let (low, high) = interval_of_mean(&groups, 60.0);
    // The standard error of eight bugs is 0.82, and the interval reaches two standard errors to
    // each side.
    assert!(
        (2.9..3.6).contains(&low) && (5.9..6.6).contains(&high),
        "{low} {high}"
    );
    assert_eq!(interval_of_mean(&groups, 60.0), (low, high));
}

/// `mannwhitneyu(y, x, alternative="two-sided")`; A12 is its statistic divided by the number of
/// pairs.
#[test]
fn comparisons_are_those_of_scipy() {
    let x = found(&[0.2, 0.5, 0.5, 1.0, 3.0]);
    let y = found(&[0.1, 0.5, 2.0, 4.0, 7.0, 9.0]);
    let of = |x: &[Time], y: &[Time]| compare(x, y).expect("both have times");
    let ties = of(&x, &y);
    same(ties.u, 21.0);
    same(ties.a12, 0.7);
    same(ties.p, 0.31086287025889725);
    let exact = of(&found(&[1., 2., 3.]), &found(&[4., 5., 6., 7.]));
    same(exact.a12, 1.0);
    same(exact.p, 0.05714285714285714);
    // scipy was given a time beyond all others for each censored run.
    let a = [0.3, 1.2, 2.0, 5.5, 7.1, 8.0, 9.9, 11.0];
    let b = [0.1, 0.2, 0.4, 0.9, 1.1, 1.3, 2.2, 3.1, 6.0, 7.7];
    let a = [found(&a), censored(&[30.0; 4])].concat();
    let b = [found(&b), censored(&[30.0; 2])].concat();
    let large = of(&a, &b);
    same(large.u, 40.0);
    same(large.a12, 0.2777777777777778);
    same(large.p, 0.06685450548575175);
}

#[test]
fn a_comparison_turned_around_is_the_other_one() {
    let (a, b) = (found(&[1., 2., 2., 9.]), censored(&[9., 9.]));
    let (ab, ba) = (compare(&a, &b), compare(&b, &a));
    let (ab, ba) = (ab.expect("times"), ba.expect("times"));
    same(ab.a12, 1.0);
    same(ab.a12 + ba.a12, 1.0);
    same(ab.p, ba.p);
}

#[test]
fn without_a_difference_there_is_none() {
    let never = censored(&[60.0; 5]);
    let tied = compare(&never, &never).expect("times");
    same(tied.a12, 0.5);
    same(tied.p, 1.0);
    assert_eq!(compare(&never, &[]), None);
}

/// Holm (1979): 0.005 times four is 0.02, 0.01 times three is 0.03, 0.03 times two is 0.06. 0.04
/// times one would be less than the last result, so it becomes 0.06 as well.
#[test]
fn holm_corrects_the_least_most() {
    let corrected = holm(&[0.01, 0.04, 0.03, 0.005]);
    for (value, expected) in corrected.into_iter().zip([0.03, 0.06, 0.06, 0.02]) {
        same(value, expected);
    }
}
