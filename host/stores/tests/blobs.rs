//! What every store of objects must do, in memory and in a folder; and what a folder must not let happen.
#![allow(clippy::unwrap_used, reason = "tests say what broke by panicking")]

use std::path::Path;
use std::sync::Arc;

use longshore_ports::{BlobError, BlobInfo, BlobQuota, BlobStore, MemoryBlobs};
use longshore_stores::{Containers, FolderBlobs, Shelved};
use tokio::task::JoinSet;

const AMPLE: BlobQuota = BlobQuota { bytes: u64::MAX, objects: u64::MAX };
/// Seconds since 1970.
const NOW: u64 = 1_800_000_000;

/// A place that keeps containers, and ways to it.
struct Place {
    folder: Option<tempfile::TempDir>,
    memory: MemoryBlobs,
}

impl Place {
    fn each() -> [Self; 2] {
        let memory = MemoryBlobs::default;
        let folder = || Some(tempfile::tempdir().unwrap());
        [Self { folder: None, memory: memory() }, Self { folder: folder(), memory: memory() }]
    }

    fn handle(&self) -> Arc<dyn BlobStore> {
        match &self.folder {
            Some(folder) => Arc::new(FolderBlobs::new(folder.path().join("blobs"))),
            None => Arc::new(self.memory.clone()),
        }
    }
}

async fn put(
    store: &dyn BlobStore,
    object: &str,
    bytes: &[u8],
    quota: BlobQuota,
) -> Result<(), BlobError> {
    let mut writer = store.write("c", object, NOW).await?;
    for chunk in bytes.chunks(7000) {
        writer.write(chunk).await?;
    }
    writer.keep(quota).await
}

async fn get(store: &dyn BlobStore, object: &str) -> Option<Vec<u8>> {
    let mut reader = store.read("c", object).await.unwrap()?;
    let mut all = Vec::new();
    loop {
        let bytes = reader.read(all.len() as u64, 5000).await.unwrap();
        if bytes.is_empty() {
            assert_eq!(all.len() as u64, reader.size());
            return Some(all);
        }
        all.extend(bytes);
    }
}

async fn names(store: &dyn BlobStore) -> Vec<String> {
    let mut names = store.list("c", None, usize::MAX >> 1).await.unwrap();
    names.sort();
    names
}

#[tokio::test]
async fn a_container_is_made_once_and_goes_with_all_that_it_holds() {
    for place in Place::each() {
        let (one, other) = (place.handle(), place.handle());
        assert_eq!(one.created("c").await, Ok(None));
        assert_eq!(one.list("c", None, 9).await, Err(BlobError::NoSuchContainer));
        assert_eq!(put(&*one, "a", b"x", AMPLE).await, Err(BlobError::NoSuchContainer));
        one.create("c", NOW).await.unwrap();
        assert_eq!(other.create("c", NOW + 1).await, Err(BlobError::ContainerExists));
        assert_eq!(other.created("c").await, Ok(Some(NOW)));
        put(&*one, "a", b"x", AMPLE).await.unwrap();
        assert_eq!(other.create("c", NOW + 1).await, Err(BlobError::ContainerExists));
        assert_eq!(get(&*other, "a").await.as_deref(), Some(b"x".as_slice()));
        let late = one.write("c", "late", NOW).await.unwrap();
        other.remove("c").await.unwrap();
        other.remove("c").await.unwrap();
        assert_eq!(late.keep(AMPLE).await, Err(BlobError::NoSuchContainer));
        assert_eq!(one.created("c").await, Ok(None));
        one.create("c", NOW).await.unwrap();
        assert_eq!(names(&*one).await, [""; 0]);
    }
}

/// Names that look like paths, or like one another.
const TRICKS: &[&str] = &[
    "",
    ".",
    "..",
    "../../escape",
    "/etc/passwd",
    "a",
    "A",
    "a/b",
    "a\\b",
    "a\0",
    "c:",
    "con",
    "*",
    "~",
    "-",
    "\u{e9}",
    "e\u{301}",
    "\u{202e}txt.exe",
    "\r\n",
    "objects",
    "staged",
    "container",
    " ",
    "a ",
];

#[tokio::test]
async fn objects_have_any_name_and_each_its_own() {
    for place in Place::each() {
        let store = place.handle();
        store.create("c", NOW).await.unwrap();
        let long = "n".repeat(5000);
        let mut all: Vec<&str> = TRICKS.iter().copied().chain([long.as_str()]).collect();
        for name in &all {
            put(&*store, name, name.as_bytes(), AMPLE).await.unwrap();
        }
        for name in &all {
            assert_eq!(get(&*store, name).await.as_deref(), Some(name.as_bytes()), "{name:?}");
            let info = BlobInfo { size: name.len() as u64, created: NOW };
            assert_eq!(store.info("c", name).await, Ok(Some(info)));
        }
        all.sort_unstable();
        assert_eq!(names(&*store).await, all);
        assert_eq!(store.info("c", "other").await, Ok(None));
        store.delete("c", &["other", "..", "a"]).await.unwrap();
        all.retain(|name| ![*name].iter().any(|name| ["..", "a"].contains(name)));
        assert_eq!(names(&*store).await, all);
        store.clear("c").await.unwrap();
        assert_eq!(names(&*store).await, [""; 0]);
        if let Some(folder) = &place.folder {
            only_below(folder.path());
        }
    }
}

/// Nothing but the folder of objects is there.
fn only_below(folder: &Path) {
    let beside: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(beside, ["blobs"]);
    assert!(!folder.parent().unwrap().join("escape").exists());
}

#[tokio::test]
async fn lists_go_on_where_they_were_also_when_that_is_gone() {
    for place in Place::each() {
        let store = place.handle();
        store.create("c", NOW).await.unwrap();
        for n in 0..25 {
            put(&*store, &format!("o{n}"), b"", AMPLE).await.unwrap();
        }
        let (mut told, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = store.list("c", after.as_deref(), 10).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            store.delete("c", &[last]).await.unwrap();
            told.extend(page);
        }
        told.sort();
        told.dedup();
        assert_eq!(told.len(), 25);
    }
}

#[tokio::test]
async fn what_is_not_kept_never_was_and_what_is_read_stays() {
    for place in Place::each() {
        let store = place.handle();
        store.create("c", NOW).await.unwrap();
        let large: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        put(&*store, "o", &large, AMPLE).await.unwrap();
        let mut dropped = store.write("c", "o", NOW).await.unwrap();
        dropped.write(b"never").await.unwrap();
        assert_eq!(get(&*store, "o").await.as_ref(), Some(&large));
        drop(dropped);
        let mut reader = store.read("c", "o").await.unwrap().unwrap();
        put(&*store, "o", b"new", AMPLE).await.unwrap();
        store.clear("c").await.unwrap();
        assert_eq!(reader.read(99_990, 100).await.unwrap(), large[99_990..]);
        assert_eq!(reader.read(100_000, 100).await.unwrap(), [0; 0]);
        assert_eq!(reader.read(u64::MAX, 100).await.unwrap(), [0; 0]);
        if let Some(folder) = &place.folder {
            let staged = folder.path().join("blobs/c-c/staged");
            assert_eq!(std::fs::read_dir(staged).unwrap().count(), 0, "nothing half-written stays");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotas_are_exact_whoever_writes_at_once() {
    for place in Place::each() {
        let store = place.handle();
        store.create("c", NOW).await.unwrap();
        let quota = BlobQuota { bytes: 100, objects: 50 };
        let mut tasks = JoinSet::new();
        for n in 0..4 {
            let store = place.handle();
            tasks.spawn(async move {
                let mut kept = 0;
                for m in 0..10 {
                    match put(&*store, &format!("{n}-{m}"), &[0; 10], quota).await {
                        Ok(()) => kept += 1,
                        Err(error) => assert_eq!(error, BlobError::TooManyBytes),
                    }
                }
                kept
            });
        }
        assert_eq!(tasks.join_all().await.into_iter().sum::<i32>(), 10, "ten of ten bytes each");
        let few = BlobQuota { bytes: 1000, objects: 10 };
        assert_eq!(put(&*store, "more", b"", few).await, Err(BlobError::TooManyObjects));
        let known = &names(&*store).await[0];
        put(&*store, known, &[0; 12], few).await.unwrap();
        assert_eq!(put(&*store, known, &[0; 13], quota).await, Err(BlobError::TooManyBytes));
        put(&*store, known, &[0; 11], quota).await.unwrap();
        assert_eq!(store.info("c", known).await.unwrap().unwrap().size, 11);
    }
}

#[tokio::test]
async fn a_folder_that_is_not_ours_or_was_tampered_with_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("blobs");
    let store = FolderBlobs::new(&root);
    store.create("c", NOW).await.unwrap();
    put(&store, "o", b"bytes", AMPLE).await.unwrap();
    let objects = root.join("c-c/objects");
    let file = std::fs::read_dir(&objects).unwrap().next().unwrap().unwrap().path();
    let code = |error: BlobError| match error {
        BlobError::Unavailable(why) => {
            assert!(!why.message.contains("blobs"), "{why}");
            why.code
        }
        other => panic!("{other:?}"),
    };
    std::fs::write(&file, b"short").unwrap();
    assert_eq!(code(store.info("c", "o").await.unwrap_err()), "LS-STO-004");
    std::fs::write(&file, b"other bytes, long enough to be an object").unwrap();
    assert_eq!(code(store.read("c", "o").await.err().unwrap()), "LS-STO-004");
    // A link that leads out is not followed.
    std::fs::write(folder.path().join("secret"), b"LSBLOB1\n0000000000000000secret").unwrap();
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(folder.path().join("secret"), &file).unwrap();
    assert!(store.read("c", "o").await.is_err());
    let modes = [&root, &root.join("c-c"), &objects].map(|path| {
        std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions()) & 0o777
    });
    assert_eq!(modes, [0o700; 3]);
}

#[tokio::test]
async fn what_a_process_left_behind_is_swept_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderBlobs::new(folder.path());
    store.create("c", NOW).await.unwrap();
    let left = folder.path().join("c-c/staged/left");
    std::fs::write(&left, b"half").unwrap();
    let modified = std::time::UNIX_EPOCH + std::time::Duration::from_secs(NOW);
    std::fs::File::options().write(true).open(&left).unwrap().set_modified(modified).unwrap();
    drop(store.write("c", "o", NOW + 3600).await.unwrap());
    assert!(left.exists(), "it may still be written to");
    drop(store.write("c", "o", NOW + 100_000).await.unwrap());
    assert!(!left.exists());
}

#[tokio::test]
async fn a_container_is_kept_where_its_name_says_and_within_what_the_operator_lets_it_hold() {
    let memory: Arc<dyn BlobStore> = Arc::new(MemoryBlobs::default());
    let small = BlobQuota { bytes: 3, objects: 1 };
    let containers = Containers::default()
        .named("c", Shelved { store: Some(Arc::clone(&memory)), quota: small })
        .named("none", Shelved { store: None, quota: AMPLE });
    containers.create("c", NOW).await.unwrap();
    assert_eq!(put(&containers, "o", b"1234", AMPLE).await, Err(BlobError::TooManyBytes));
    put(&containers, "o", b"123", AMPLE).await.unwrap();
    assert_eq!(put(&containers, "p", b"", AMPLE).await, Err(BlobError::TooManyObjects));
    for name in ["none", "other"] {
        assert_eq!(containers.created(name).await, Ok(None));
        assert_eq!(containers.create(name, NOW).await, Err(BlobError::NoSuchContainer));
    }
}
