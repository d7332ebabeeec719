//! Watching a run as it happens. A reader that falls behind misses entries, and is told so; it
//! never holds up the run.

use std::sync::Arc;

use futures_util::Stream;
use tokio::sync::broadcast;

use crate::Entry;

/// How many entries a reader may fall behind.
pub(crate) const BACKLOG: usize = 1_024;

/// The entries of a run, as they are recorded. It begins with entry 0, whenever it was taken out.
#[derive(Debug)]
pub struct Subscription {
    first: Option<Arc<Entry>>,
    receiver: Option<broadcast::Receiver<Arc<Entry>>>,
    /// The next entry that the reader has not seen.
    next: u64,
    held: Option<Arc<Entry>>,
}

/// What a [`Subscription`] saw.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// The next entry.
    Entry(Arc<Entry>),
    /// So many entries passed unseen here: before the subscription, or because the reader was slow.
    /// They are in the journal.
    Missed(u64),
}

impl Subscription {
    /// Without a receiver: the run has ended.
    pub(crate) fn new(
        first: Arc<Entry>,
        receiver: Option<broadcast::Receiver<Arc<Entry>>>,
    ) -> Self {
        Self { first: Some(first), receiver, next: 0, held: None }
    }

    /// Waits for the next entry; none after the last.
    pub async fn next(&mut self) -> Option<Seen> {
        let entry = match (self.first.take(), self.held.take()) {
            (Some(first), _) => first,
            (None, Some(held)) => held,
            (None, None) => self.receive().await?,
        };
        if entry.seq > self.next {
            let missed = entry.seq - self.next;
            self.next = entry.seq;
            self.held = Some(entry);
            return Some(Seen::Missed(missed));
        }
        self.next = entry.seq + 1;
        Some(Seen::Entry(entry))
    }

    async fn receive(&mut self) -> Option<Arc<Entry>> {
        let receiver = self.receiver.as_mut()?;
        loop {
            match receiver.recv().await {
                Ok(entry) => return Some(entry),
                // The sequence number of the next entry tells how many were missed.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// The same as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Seen> + Send {
        futures_util::stream::unfold(self, |mut subscription| async move {
            subscription.next().await.map(|seen| (seen, subscription))
        })
    }
}
