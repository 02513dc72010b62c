//! What every adapter promises, as one case per promise, for any adapter anywhere.
//!
//! The author of an adapter writes a [`Harness`] (a fresh system with a way to its truth, most of it by default over a
//! [`FakeSystem`](crate::FakeSystem)) and calls [`conformance_tests!`](crate::conformance_tests) once; each case becomes a test of its name. A case that
//! does not apply has to be skipped by name, with a reason; one that is skipped and does apply fails, as does a skip
//! of a case that does not exist.
//!
//! Where the vendor's own description of its API is known (feature `descriptions`), all that is exchanged in a case is held against it:
//! requests always, answers unless a fault made them up. What is not described, and not listed as a fault of the description, fails the case.
//!
//! ```
//! # mod tests {
//! use provisionr_testkit::conformance::MemoryHarness;
//!
//! provisionr_testkit::conformance_tests! {
//!     MemoryHarness::new("wiki"),
//!     skips = [
//!         ("a_batch_answers_each_of_its_requests", "no kind has batches"),
//!         // … and so on: several names, separated by blanks, may share a reason.
//!     ]
//! }
//! # }
//! ```

mod bench;
mod cases;
mod gate;
mod harness;
mod memory;
mod table;
mod trouble;
mod verdict;
mod wire;
mod witness;

use std::future::Future;
use std::io::Write as _;

pub use self::harness::{Harness, Person, Sent};
pub use self::memory::MemoryHarness;
pub use self::trouble::Trouble;
pub use self::verdict::{Report, Verdict};

use self::bench::Bench;
use self::table::{CASES, Named};
use self::verdict::{Case, Stop};
use self::wire::Wire;
use crate::wildcard;

/// Cases that do not apply, separated by blanks, and why. A `*` in a name stands for anything, or nothing.
pub type Skip<'a> = (&'a str, &'a str);

/// The names of all cases, in their order.
pub fn case_names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|case| case.name)
}

fn names(skip: &str, case: &str) -> bool {
    skip.split_whitespace().any(|word| wildcard::matches(word, case))
}

async fn judge<H: Harness>(case: &Named, make: impl Future<Output = H>, skips: &[Skip<'_>]) -> Verdict {
    let harness = make.await;
    let wire = Wire::tap(&harness);
    let bench = Bench::new(&harness);
    let end: Case = (case.run)(&bench).await;
    let (unknown, undescribed) = (harness.unknown_requests(), wire.violations());
    let skip = skips.iter().find(|(skip, _)| names(skip, case.name));
    match (end, skip) {
        (Err(Stop::DoesNotApply(why)), None) => Verdict::Undeclared(why),
        (Ok(()), None) if !unknown.is_empty() => Verdict::Failed(format!("the system has no route for {unknown:?}")),
        (Ok(()), None) | (Err(Stop::DoesNotApply(_)), Some(_)) if !undescribed.is_empty() => {
            Verdict::Failed(format!("the vendor describes it otherwise:\n- {}", undescribed.join("\n- ")))
        }
        (Err(Stop::DoesNotApply(_)), Some((_, why))) => Verdict::Skipped((*why).to_owned()),
        (Ok(()), None) => Verdict::Passed,
        (Err(Stop::Fails(why)), None) => Verdict::Failed(why),
        (_, Some(_)) => Verdict::Stale,
    }
}

/// Runs all cases, each on a harness of its own.
///
/// Where the harness plays answers that come too late, run it with tokio's time paused; the tests of
/// [`conformance_tests!`](crate::conformance_tests) do.
pub async fn run<H: Harness>(make: impl AsyncFn() -> H, skips: &[Skip<'_>]) -> Report {
    let mut cases = Vec::new();
    for case in CASES {
        cases.push((case.name, judge(case, make(), skips).await));
    }
    Report { cases, unknown_skips: unknown_skips(skips) }
}

/// Runs one case on a harness of its own. A case that does not exist has failed.
pub async fn run_case<H: Harness>(case: &str, make: impl Future<Output = H>, skips: &[Skip<'_>]) -> Verdict {
    match CASES.iter().find(|known| known.name == case) {
        Some(named) => judge(named, make, skips).await,
        None => Verdict::Failed("there is no such case".to_owned()),
    }
}

fn unknown_skips(skips: &[Skip<'_>]) -> Vec<String> {
    let no_case = |word: &&str| !CASES.iter().any(|case| wildcard::matches(word, case.name));
    let unknown = |(skip, why): &Skip<'_>| {
        let words = skip.split_whitespace().filter(|word| why.trim().is_empty() || no_case(word));
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    skips.iter().flat_map(unknown).collect()
}

/// Runs one case as a test, with tokio's time paused.
///
/// # Panics
/// When the case counts as failed: how a test fails.
#[track_caller]
pub fn check<H: Harness>(case: &str, make: impl Future<Output = H>, skips: &[Skip<'_>]) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build() else { fail("there is no runtime") };
    let verdict = runtime.block_on(run_case(case, make, skips));
    if verdict.is_failure() {
        fail(&format!("{case} {verdict}"));
    }
}

/// Says whether what is exchanged in the cases is held against a description of the vendor, and why not.
///
/// # Panics
/// When there should be a description and none can be read: how a test fails.
#[track_caller]
pub fn check_description<H: Harness>(make: impl Future<Output = H>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build() else { fail("there is no runtime") };
    let said = wire::coverage(&runtime.block_on(make));
    // Past the capturing of tests that pass: that nothing was held against anything should be seen.
    let _ = writeln!(std::io::stderr(), "{said}");
}

/// Demands that every skip names a case, and says why.
///
/// # Panics
/// When one does not.
#[track_caller]
pub fn check_skips(skips: &[Skip<'_>]) {
    let unknown = unknown_skips(skips);
    if !unknown.is_empty() {
        fail(&format!("no such cases, or no reason given: {unknown:?}"));
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "how a test fails")]
fn fail(why: &str) -> ! {
    panic!("{why}")
}

/// Makes each conformance case a test of its name, in the module it is called in.
///
/// The first argument is an expression of a [`Harness`](crate::conformance::Harness), evaluated anew for each case; it
/// may await. Time is paused while a case runs.
#[macro_export]
macro_rules! conformance_tests {
    ($harness:expr $(, skips = [$($skip:expr),* $(,)?])? $(,)?) => {
        $crate::__conformance_cases!($crate::__conformance_tests { ($harness) [$($($skip),*)?] });
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ({ ($harness:expr) $skips:tt } $($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                $crate::conformance::check(stringify!($name), async { $harness }, &$skips);
            }
        )+

        #[test]
        fn all_skips_name_cases() {
            $crate::conformance::check_skips(&$skips);
        }

        #[test]
        fn traffic_is_held_against_a_description() {
            $crate::conformance::check_description(async { $harness });
        }
    };
}
