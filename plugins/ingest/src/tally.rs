//! What the workflow decides by itself: which requests it takes, and what the lines add up to. Pure.

use longshore_guest::Failure;

use crate::ingest::{Line, Outcome, Report, Request};

/// How many pages one run takes.
const MAX_URLS: usize = 1000;

/// Refuses what is not worth starting.
pub(crate) fn check(request: &Request) -> Result<(), Failure> {
    match request.urls.len() {
        0 => Err(Failure::fatal("bad-request", "there is no URL to ingest")),
        1..=MAX_URLS => Ok(()),
        count => Err(Failure::fatal(
            "bad-request",
            format!("there are {count} URLs, at most {MAX_URLS} are taken"),
        )),
    }
}

/// Adds a line and what it counts.
pub(crate) fn add(report: &mut Report, line: Line) {
    match &line.outcome {
        Outcome::Ingested(page) => {
            report.documents += 1;
            report.chunks = report.chunks.saturating_add(page.chunks);
            report.tokens = report.tokens.saturating_add(page.tokens);
            report.new = report.new.saturating_add(page.new);
            report.existing = report.existing.saturating_add(page.existing);
        }
        Outcome::Failed(_) => report.failures += 1,
    }
    report.lines.push(line);
}

/// The line for whoever reads the timeline.
pub(crate) fn note(line: &Line) -> String {
    match &line.outcome {
        Outcome::Ingested(page) => {
            format!("ingested {}: {} chunks, {} new", line.url, page.chunks, page.new)
        }
        Outcome::Failed(failure) => format!("left out {}: {failure}", line.url),
    }
}

/// A length as WIT counts; lists that long do not fit a guest's memory.
pub(crate) fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Ingested;

    fn request(count: usize) -> Request {
        Request { urls: vec!["http://a/".into(); count], max_tokens: None }
    }

    #[test]
    fn requests_are_bounded() {
        assert!(check(&request(1)).is_ok() && check(&request(1000)).is_ok());
        assert_eq!(check(&request(0)).unwrap_err().code, "bad-request");
        assert_eq!(check(&request(1001)).unwrap_err().code, "bad-request");
    }

    #[test]
    fn lines_add_up_and_failures_stay_in_the_report() {
        let page = Ingested { title: None, chunks: 3, tokens: 40, new: 1, existing: 2 };
        let good = Line { url: "http://a/".into(), outcome: Outcome::Ingested(page) };
        let bad = Line {
            url: "http://b/".into(),
            outcome: Outcome::Failed(Failure::fatal("http-404", "gone")),
        };
        let mut report = Report::default();
        for line in [good.clone(), bad.clone(), good] {
            add(&mut report, line);
        }
        assert_eq!(
            (report.documents, report.failures, report.chunks, report.tokens),
            (2, 1, 6, 80)
        );
        assert_eq!((report.new, report.existing, report.lines.len()), (2, 4, 3));
        assert_eq!(note(&bad), "left out http://b/: http-404: gone");
    }
}
