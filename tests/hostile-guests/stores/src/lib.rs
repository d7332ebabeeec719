//! Tries to take more than its buckets and containers.

wit_bindgen::generate!({ path: "wit", world: "guest", generate_all });

mod blobs;
mod keys;

use exports::hostile::stores::stores::Guest;
use longshore_hostile::Stores;

struct Attacks;

impl Guest for Attacks {
    fn attack(name: String) -> Result<String, String> {
        use Stores as S;
        match Stores::named(&name).ok_or("no such attack")? {
            S::GiantKey => keys::giant_key(),
            S::GiantValue => keys::giant_value(),
            S::KeyTricks => keys::tricks(),
            S::OtherBucket => keys::other_bucket(),
            S::ReadOnlyBucket => keys::read_only(),
            S::BucketFlood => keys::bucket_flood(),
            S::SwapFlood => keys::swap_flood(),
            S::SwapAfterDrop => keys::swap_after_drop(),
            S::SwapTwice => keys::swap_twice(),
            S::BatchOfAMillion => keys::batch_of_a_million(),
            S::BatchOfOneKey => keys::batch_of_one_key(),
            S::KeyFlood => keys::key_flood(),
            S::QuotaRace => keys::quota_race(),
            S::CountPastTheEnd => keys::count_past_the_end(),
            S::ForgedCursor => keys::forged_cursor(),
            S::ListFlood => keys::list_flood(),
            S::NamesAsPaths => blobs::names_as_paths(),
            S::OtherContainer => blobs::other_container(),
            S::ReadOnlyContainer => blobs::read_only(),
            S::LongObjectName => blobs::long_name(),
            S::EndlessObject => blobs::endless(),
            S::EndlessUnnamed => blobs::endless_unnamed(),
            S::DraftFlood => blobs::draft_flood(),
            S::DraftsOnDisk => blobs::drafts_on_disk(),
            S::ReaderFlood => blobs::reader_flood(),
            S::ObjectFlood => blobs::object_flood(),
            S::NamesFlood => blobs::names_flood(),
            S::NameAfterFinish => blobs::name_after_finish(),
            S::StreamAfterFinish => blobs::stream_after_finish(),
            S::OddRanges => blobs::odd_ranges(),
        }
    }
}

/// The first try that got through, or how all of them were refused.
fn tries<T>(tried: impl IntoIterator<Item = (String, Result<T, String>)>) -> Result<String, String> {
    let mut refused = Vec::new();
    for (name, tried) in tried {
        match tried {
            Ok(_) => return Ok(format!("{} got through", name.escape_debug())),
            Err(why) => refused.push(why),
        }
    }
    refused.dedup();
    Err(refused.join(", "))
}

export!(Attacks);
