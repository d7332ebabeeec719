//! When a failed attempt is made again, and how long it may take. Pure: randomness is passed in.

use std::time::Duration;

use longshore_model::{FaultKind, Outcome};
use serde::Deserialize;

/// No policy makes more attempts at one call.
const MOST_ATTEMPTS: u32 = 1_000;

/// How a workflow's calls are made.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Options {
    pub(crate) retry: Option<Retry>,
    /// For each attempt.
    pub(crate) attempt: Option<Duration>,
    /// For all attempts and pauses together.
    pub(crate) total: Option<Duration>,
}

/// When a failed attempt is made again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Retry {
    pub(crate) max_attempts: u32,
    pub(crate) first_delay: Duration,
    pub(crate) growth_percent: u32,
    pub(crate) max_delay: Duration,
    pub(crate) jitter_percent: u32,
    pub(crate) retry_codes: Vec<String>,
    pub(crate) fatal_codes: Vec<String>,
}

/// The failure record of `longshore:action/types`, as far as it matters here.
#[derive(Deserialize)]
struct Failure {
    class: String,
    code: String,
    #[serde(rename = "retry-after-ms", default)]
    retry_after_ms: Option<u64>,
}

impl Options {
    /// The pause before another attempt after `failed` earlier failures and this `outcome`; none when there is no other.
    pub(crate) fn again(
        &self,
        failed: u32,
        outcome: &Outcome,
        entropy: impl FnOnce() -> u64,
    ) -> Option<Duration> {
        let retry = self.retry.as_ref()?;
        let asked = retry.is_worth(outcome)?;
        let made = failed.saturating_add(1);
        if made >= retry.max_attempts.min(MOST_ATTEMPTS) {
            return None;
        }
        Some(retry.delay(failed, entropy()).max(asked))
    }
}

impl Retry {
    /// Whether another attempt may succeed, and how long the action asks to be left alone.
    fn is_worth(&self, outcome: &Outcome) -> Option<Duration> {
        let (code, retryable, after) = match outcome {
            Outcome::Ok(_) => return None,
            Outcome::Failed(json) => match json.read::<Failure>() {
                Ok(failure) => (failure.code, failure.class == "retryable", failure.retry_after_ms),
                // A failure of the action's own type says nothing of itself.
                Err(_) => (String::new(), false, None),
            },
            Outcome::Fault(fault) => {
                let retryable = fault.kind == FaultKind::Deadline;
                (fault.kind.code().to_owned(), retryable, None)
            }
        };
        if matches!(outcome, Outcome::Fault(f) if matches!(f.kind, FaultKind::Host | FaultKind::Cancelled))
        {
            return None;
        }
        let named = |codes: &[String]| codes.contains(&code);
        let worth = !named(&self.fatal_codes) && (retryable || named(&self.retry_codes));
        worth.then(|| Duration::from_millis(after.unwrap_or(0)).min(self.max_delay))
    }

    /// The pause after `failed` earlier failures: it grows, is capped, and some of it is taken off at random.
    fn delay(&self, failed: u32, entropy: u64) -> Duration {
        let mut us = self.first_delay.as_micros();
        let most = self.max_delay.as_micros();
        for _ in 0..failed {
            us = (us * u128::from(self.growth_percent) / 100).min(most);
            if us == most || us == 0 {
                break;
            }
        }
        let us = us.min(most);
        let jitter = us * u128::from(self.jitter_percent.min(100)) / 100;
        let off = if jitter == 0 { 0 } else { u128::from(entropy) % (jitter + 1) };
        Duration::from_micros(u64::try_from(us - off).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use longshore_model::{Fault, Json};

    use super::*;

    fn retry() -> Retry {
        Retry {
            max_attempts: 4,
            first_delay: Duration::from_millis(100),
            growth_percent: 200,
            max_delay: Duration::from_millis(300),
            jitter_percent: 50,
            retry_codes: vec!["LS-RUN-001".to_owned()],
            fatal_codes: vec!["gone".to_owned()],
        }
    }

    fn failure(class: &str, code: &str, after: &str) -> Outcome {
        let json = format!(
            r#"{{"class":"{class}","code":"{code}","message":"","retry-after-ms":{after}}}"#
        );
        Outcome::Failed(Json::parse(json).unwrap())
    }

    #[test]
    fn pauses_grow_up_to_their_cap_and_attempts_are_counted() {
        let options = Options { retry: Some(retry()), ..Options::default() };
        let busy = failure("retryable", "busy", "null");
        let pauses = [0, 1, 2, 3].map(|failed| options.again(failed, &busy, || 0));
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(pauses, [ms(100), ms(200), ms(300), None]);
    }

    #[test]
    fn jitter_takes_off_up_to_its_share() {
        let pause = |entropy| retry().delay(0, entropy);
        assert_eq!(pause(50_000), Duration::from_millis(50));
        assert_eq!(pause(50_001), Duration::from_millis(100));
    }

    #[test]
    fn codes_outrank_classes_and_what_the_action_asks_for_is_heard() {
        let worth = |outcome: &Outcome| retry().is_worth(outcome);
        assert_eq!(worth(&failure("retryable", "gone", "null")), None);
        assert_eq!(worth(&failure("fatal", "bad", "null")), None);
        let ms = Duration::from_millis;
        assert_eq!(worth(&failure("retryable", "busy", "250")), Some(ms(250)));
        assert_eq!(worth(&failure("retryable", "busy", "9000")), Some(ms(300)));
        let fault = |kind| Outcome::Fault(Fault::new(kind, ""));
        assert_eq!(worth(&fault(FaultKind::Trap)), Some(ms(0)), "its code is listed");
        assert_eq!(worth(&fault(FaultKind::Deadline)), Some(ms(0)));
        assert_eq!(worth(&fault(FaultKind::Memory)), None);
        assert_eq!(worth(&fault(FaultKind::Host)), None);
        assert_eq!(worth(&Outcome::Ok(Json::null())), None);
    }
}
