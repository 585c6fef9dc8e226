//! The statistics of times to a finding. A time is censored if the run reached the limit before a
//! finding.
//!
//! Survival is the share of runs that have not found the bug yet. All runs of a campaign have the
//! same limit. So a censored run counts as slower than every run with a finding.

use fastrand::Rng;
use statrs::stats_tests::Alternative;
use statrs::stats_tests::mannwhitneyu::{MannWhitneyUMethod, mannwhitneyu};

/// The number of samples of the bootstrap.
const RESAMPLES: usize = 2000;
/// The seed of its random numbers, so that the same campaign gives the same interval.
const SEED: u64 = 0x6d6d;
/// The exact distribution of U is computed if both samples together have at most this many times,
/// and no ties.
const EXACT: usize = 20;

/// The time of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time {
    /// The time until the finding or, without one, until the end of the run.
    pub seconds: f64,
    /// There is a finding.
    pub found: bool,
}

impl Time {
    /// The value that is compared for ranks: all censored times are equal, and come last.
    fn rank(self) -> f64 {
        if self.found {
            self.seconds
        } else {
            f64::INFINITY
        }
    }
}

/// A step of a survival curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurveStep {
    /// The time at which the curve falls.
    pub seconds: f64,
    /// The survival from this time on.
    pub survival: f64,
}

/// The curve of Kaplan and Meier (1958). It begins at 1, and has a step at each time of a finding.
pub fn kaplan_meier(times: &[Time]) -> Vec<CurveStep> {
    let mut times = times.to_vec();
    times.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let (mut survival, mut at_risk) = (1.0, times.len());
    let mut curve = Vec::new();
    for same in times.chunk_by(|a, b| a.seconds == b.seconds) {
        let found = same.iter().filter(|time| time.found).count();
        if found > 0 {
            survival *= 1.0 - found as f64 / at_risk as f64;
            curve.push(CurveStep {
                seconds: same[0].seconds,
                survival,
            });
        }
        at_risk -= same.len();
    }
    curve
}

/// The survival at a time.
pub fn survival_at(curve: &[CurveStep], seconds: f64) -> f64 {
    let before = curve.iter().take_while(|step| step.seconds <= seconds);
    before.last().map_or(1.0, |step| step.survival)
}

/// The first time at which half of the runs have found the bug; `None` if fewer ever do.
pub fn median(curve: &[CurveStep]) -> Option<f64> {
    let half = curve.iter().find(|step| step.survival <= 0.5);
    half.map(|step| step.seconds)
}

/// The restricted mean survival time: the area under the curve up to `limit`. It is the mean time
/// of runs that are ended at the limit.
pub fn restricted_mean(curve: &[CurveStep], limit: f64) -> f64 {
    let (mut area, mut since, mut survival) = (0.0, 0.0, 1.0);
    for step in curve.iter().take_while(|step| step.seconds < limit) {
        area += survival * (step.seconds - since);
        (since, survival) = (step.seconds, step.survival);
    }
    area + survival * (limit - since)
}

/// The 95 % interval of the restricted mean, as percentiles of a bootstrap. The bootstrap draws
/// bugs and then runs of each bug, because both vary. Each group has the runs of one bug.
pub fn interval_of_mean(groups: &[Vec<Time>], limit: f64) -> (f64, f64) {
    let mut rng = Rng::with_seed(SEED);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| restricted_mean(&kaplan_meier(&resample(groups, &mut rng)), limit))
        .collect();
    means.sort_by(f64::total_cmp);
    let percentile = |share: f64| means[(share * (RESAMPLES - 1) as f64).round() as usize];
    (percentile(0.025), percentile(0.975))
}

fn resample(groups: &[Vec<Time>], rng: &mut Rng) -> Vec<Time> {
    let mut sample = Vec::new();
    for _ in groups {
        let group = &groups[rng.usize(0..groups.len())];
        sample.extend(group.iter().map(|_| group[rng.usize(0..group.len())]));
    }
    sample
}

/// How two engines compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Vargha and Delaney's A12: the probability that a run of the first engine is faster than a
    /// run of the second. A tie counts half.
    pub a12: f64,
    /// Mann and Whitney's U of the first engine: the number of pairs of runs in which the first
    /// engine is faster. A tie counts half.
    pub u: f64,
    /// The two-sided p of U, corrected for ties.
    pub p: f64,
}

/// Compares the times of two engines; `None` if an engine has no times.
pub fn compare(a: &[Time], b: &[Time]) -> Option<Comparison> {
    let ranks = |times: &[Time]| times.iter().map(|time| time.rank()).collect::<Vec<_>>();
    let method = if a.len() + b.len() <= EXACT {
        MannWhitneyUMethod::Automatic
    } else {
        MannWhitneyUMethod::AsymptoticInclContinuityCorrection
    };
    // U counts the pairs in which the time of b is greater.
    let (u, p) = mannwhitneyu(&ranks(b), &ranks(a), method, Alternative::TwoSided).ok()?;
    Some(Comparison {
        a12: u / (a.len() * b.len()) as f64,
        u,
        // p is not a number if all times are tied, because there is no variance.
        p: if p.is_nan() { 1.0 } else { p },
    })
}

/// Holm's correction of several p, in the order of `p`.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut corrected = vec![0.0; p.len()];
    let mut least: f64 = 0.0;
    for (done, &i) in order.iter().enumerate() {
        least = least.max((p[i] * (p.len() - done) as f64).min(1.0));
        corrected[i] = least;
    }
    corrected
}

#[cfg(test)]
mod tests;
