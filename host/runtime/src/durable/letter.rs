//! What the outside tells a run: signals, decisions, the wish that it end. Letters are kept by the store until the run takes
//! them, whoever carries it.

use longshore_engine::RunContext;
use longshore_journal::{History, Posted, Run};
use longshore_model::{
    Answer, Answered, Approval, Ask, CallId, CancelRequested, Decision, Event, Json, RunId,
    Signalled,
};
use serde::{Deserialize, Serialize};

use super::desk::Seat;
use crate::{Error, Longshore};

/// How many letters are read at once.
const PAGE: usize = 64;
/// The longest name of a signal, in bytes.
const MAX_NAME: usize = 256;
/// The name under which a letter is kept that came twice or too late.
const LATE: &str = "longshore:late";
/// The name under which a run that goes on as a new one keeps a letter that it handed on.
const FORWARDED: &str = "longshore:forwarded";

/// A letter, as it is posted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Letter {
    Signal { name: String, payload: Json },
    Decision { call: CallId, step: u32, decision: Decision },
    Cancel { reason: String },
}

/// What somebody decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approve {
    /// One of the question's options.
    pub choice: String,
    /// Who decides.
    pub by: String,
    /// Why; may be empty.
    pub comment: String,
    /// Which question, by its call and step; the only open one, if none.
    pub which: Option<(CallId, u32)>,
}

/// A question that waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenApproval {
    /// The workflow's call.
    pub call: CallId,
    /// Which of its requests.
    pub step: u32,
    /// The question.
    pub approval: Approval,
}

impl Longshore {
    /// Sends a signal to a run, wherever it is carried; safe once this returns. With an `id`, the same signal sent again counts
    /// once.
    ///
    /// # Errors
    ///
    /// [`Error::Message`] when the name is empty or too long or the payload is no JSON, and the journal's: `NotFound`,
    /// `RunClosed`, `MailboxFull`, `LetterTooLarge`.
    pub async fn signal(
        &self,
        run: RunId,
        name: &str,
        payload: &str,
        id: Option<[u8; 16]>,
    ) -> Result<(), Error> {
        let wrong = |reason: String| Error::Message { run, reason };
        if name.is_empty() || name.len() > MAX_NAME {
            return Err(wrong(format!("a signal's name has between 1 and {MAX_NAME} bytes")));
        }
        let payload = if payload.trim().is_empty() { "null" } else { payload };
        let payload = Json::parse(payload.trim())
            .map_err(|error| wrong(format!("the payload is no JSON: {error}")))?;
        self.post(run, &Letter::Signal { name: name.to_owned(), payload }, id).await
    }

    /// Asks a run to end. Its workflow is told at its next wait, and may clear up.
    ///
    /// # Errors
    ///
    /// As [`Longshore::signal`].
    pub async fn cancel(&self, run: RunId, reason: &str) -> Result<(), Error> {
        self.post(run, &Letter::Cancel { reason: reason.to_owned() }, None).await
    }

    /// The questions of a run that wait for an answer.
    ///
    /// # Errors
    ///
    /// When the run cannot be read.
    pub async fn approvals(&self, run: RunId) -> Result<Vec<OpenApproval>, Error> {
        let run = self.0.last_of(run).await?;
        Ok(open_approvals(&self.0.journal.read(run).await?))
    }

    /// Answers a question of a run.
    ///
    /// # Errors
    ///
    /// [`Error::NoApproval`] when no such question is open, [`Error::NotAnOption`], [`Error::NotAnApprover`],
    /// [`Error::TooLate`] after its deadline; and as [`Longshore::signal`].
    pub async fn approve(&self, run: RunId, approve: Approve) -> Result<(), Error> {
        let open = self.approvals(run).await?;
        let Approve { choice, by, comment, which } = approve;
        let found: Vec<_> = open
            .iter()
            .filter(|open| which.is_none_or(|which| which == (open.call, open.step)))
            .collect();
        let [OpenApproval { call, step, approval }] = found.as_slice() else {
            return Err(Error::NoApproval { run, open: found.len() });
        };
        if !approval.options.contains(&choice) {
            return Err(Error::NotAnOption { run, choice, options: approval.options.clone() });
        }
        if !approval.approvers.is_empty() && !approval.approvers.contains(&by) {
            return Err(Error::NotAnApprover { run, by, approvers: approval.approvers.clone() });
        }
        if let Some(due) = approval.due.filter(|due| self.0.journal.now() >= *due) {
            return Err(Error::TooLate { run, due });
        }
        let decision = Decision { choice, by, comment };
        self.post(run, &Letter::Decision { call: *call, step: *step, decision }, None).await
    }

    async fn post(&self, run: RunId, letter: &Letter, id: Option<[u8; 16]>) -> Result<(), Error> {
        let id = match id {
            Some(id) => id,
            None => {
                let mut id = [0; 16];
                self.0.fill(&mut id)?;
                id
            }
        };
        let bytes = serde_json::to_vec(letter)
            .map_err(|error| Error::Message { run, reason: error.to_string() })?;
        let (mut run, bytes) = (run, bytes::Bytes::from(bytes));
        loop {
            match self.0.journal.post(run, id, bytes.clone()).await {
                Ok(_) => return Ok(()),
                Err(closed @ longshore_journal::Error::RunClosed(_)) => {
                    // One that goes on as a new run is reached there, after all that was sent to it before.
                    let Some(next) = self.0.next_of(run).await? else { return Err(closed.into()) };
                    self.0.forward(run, next).await?;
                    run = next;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The questions of a history that were asked and not answered.
fn open_approvals(history: &History) -> Vec<OpenApproval> {
    let mut open = Vec::new();
    for entry in history.entries() {
        match &entry.event {
            Event::Asked(asked) => {
                if let Ask::Approval(approval) = &asked.what {
                    let (call, step) = (asked.call, asked.step);
                    open.push(OpenApproval { call, step, approval: approval.clone() });
                }
            }
            Event::Answered(answered) => {
                open.retain(|open| (open.call, open.step) != (answered.call, answered.step));
            }
            _ => {}
        }
    }
    if history.end().is_some() {
        open.clear();
    }
    open
}

/// Takes the letters that wait into the history.
pub(super) async fn take_all(run: &Run, cx: &RunContext) -> Result<(), longshore_journal::Error> {
    loop {
        let letters = run.letters(PAGE).await?;
        if letters.is_empty() {
            return Ok(());
        }
        for posted in letters {
            let (event, late) = read(&posted);
            cx.take(event, late, posted.seq)?;
        }
        // Taken in the store too, or the next page is this one again.
        run.sync().await?;
    }
}

/// The same whenever something may have come; returns when the journal fails.
pub(super) async fn take_as_they_come(
    run: &Run,
    cx: &RunContext,
    seat: &Seat,
) -> longshore_journal::Error {
    loop {
        seat.knocked().await;
        if let Err(error) = take_all(run, cx).await {
            return error;
        }
    }
}

/// What a run that goes on as a new one keeps of a letter that it hands on.
pub(super) fn forwarded(posted: &Posted) -> Event {
    let text = String::from_utf8_lossy(&posted.letter.bytes).into_owned();
    Event::Signalled(Box::new(Signalled {
        name: FORWARDED.to_owned(),
        payload: Json::of(&text).unwrap_or_else(|_| Json::null()),
        id: None,
    }))
}

/// A letter as the event that it becomes, and as the one that it becomes when it changes nothing.
fn read(posted: &Posted) -> (Event, Event) {
    let bytes = &posted.letter.bytes;
    let text = String::from_utf8_lossy(bytes).into_owned();
    let late = Event::Signalled(Box::new(Signalled {
        name: LATE.to_owned(),
        payload: Json::of(&text).unwrap_or_else(|_| Json::null()),
        id: None,
    }));
    let event = match serde_json::from_slice::<Letter>(bytes) {
        Ok(Letter::Signal { name, payload }) => {
            Event::Signalled(Box::new(Signalled { name, payload, id: None }))
        }
        Ok(Letter::Decision { call, step, decision }) => {
            let answer = Answer::Approved(decision);
            Event::Answered(Box::new(Answered { call, step, answer }))
        }
        Ok(Letter::Cancel { reason }) => Event::CancelRequested(CancelRequested { reason }),
        // Of a later version, or of nobody: kept where nothing waits for it.
        Err(_) => late.clone(),
    };
    (event, late)
}
