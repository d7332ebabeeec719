//! What every store of the journal must do, as one suite: a store's tests call [`contract!`] and
//! nothing else of it. Beside it, in [`keyvalue`], the same for stores of keys and values.
//!
//! Only the port is used, so that a store in memory, in a file and behind a network are held to the
//! same promises.

mod claims;
pub mod keyvalue;
mod promises;
mod samples;

use std::sync::Arc;

use longshore_journal::Store;

pub use claims::{
    a_host_that_lost_a_run_is_refused, a_mailbox_is_bounded, letters_are_kept_once_and_taken_once,
    lists_are_narrowed, only_what_is_held_is_renewed, two_hosts_never_get_the_same_run,
    what_is_claimable_is_what_the_rule_says, what_is_removed_leaves_its_receipt,
    what_waits_wakes_by_its_time_or_by_a_letter, who_listens_is_woken,
};
pub use promises::{
    a_barrier_is_answered, an_append_that_does_not_fit_changes_nothing,
    appends_keep_their_order_and_their_bytes, lists_are_newest_first_and_filtered,
    pages_are_bounded_in_bytes, receipts_of_two_handles_are_one_chain,
    two_writers_of_one_run_never_both_win, what_was_acknowledged_is_there_for_the_next_handle,
};
pub use samples::{Appends, call, end, lease, run_id, start, time};

/// One place that keeps runs, and the way to it.
pub trait Place: Send + Sync {
    /// Another handle on the same place, as another process would have.
    fn handle(&self) -> Arc<dyn Store>;
}

/// Makes a test of every promise. `$place` is an expression for a fresh, empty [`Place`]; with
/// `optional:` before it, for one that may be `None` where it cannot be had, and then the test
/// ends: whoever gives it has said so.
#[macro_export]
macro_rules! contract {
    ($place:expr) => {
        $crate::contract!(optional: Some($place));
    };
    (optional: $place:expr) => {
        $crate::contract!(@each $place;
            appends_keep_their_order_and_their_bytes,
            an_append_that_does_not_fit_changes_nothing,
            a_barrier_is_answered,
            lists_are_newest_first_and_filtered,
            pages_are_bounded_in_bytes,
            receipts_of_two_handles_are_one_chain,
            two_writers_of_one_run_never_both_win,
            what_was_acknowledged_is_there_for_the_next_handle,
            a_host_that_lost_a_run_is_refused,
            a_mailbox_is_bounded,
            letters_are_kept_once_and_taken_once,
            lists_are_narrowed,
            only_what_is_held_is_renewed,
            two_hosts_never_get_the_same_run,
            what_is_claimable_is_what_the_rule_says,
            what_is_removed_leaves_its_receipt,
            what_waits_wakes_by_its_time_or_by_a_letter,
            who_listens_is_woken,
        );
    };
    (@each $place:expr; $($promise:ident,)*) => {
        $(
            #[test]
            fn $promise() {
                let Some(place) = $place else { return };
                let runtime = $crate::runtime();
                runtime.block_on($crate::$promise(&place));
            }
        )*
    };
}

/// Where a promise is tested: two threads, so that handles do meet.
///
/// # Panics
///
/// When the machine has no thread to give.
#[must_use]
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime for the test")
}
