//! Both caches, damaged in every way: what does not authenticate is fetched or compiled again, never trusted; and writers
//! that race leave one whole entry.

use std::path::{Path, PathBuf};
use std::process::Command;

use longshore::trust::TrustPolicy;
use longshore::{Home, Request, Target};
use longshore_test_support::servers::embedded_registry;

use crate::artifacts::wat;
use crate::components::ANSWER;
use crate::publish::{key, only, publish};
use crate::stage::{Stage, walk};

fn compiled(home: &Path) -> Vec<PathBuf> {
    let all = walk(&Home::new(home).code_cache());
    all.into_iter().filter(|path| path.extension().is_some_and(|e| e == "cwasm")).collect()
}

/// Runs the answer in a host of its own over `home`, as a new process would.
async fn answer(home: &Path) -> serde_json::Value {
    let host = longshore::Longshore::builder().home(home).build().unwrap();
    let path = home.join("answer.wasm");
    std::fs::write(&path, wat(ANSWER)).unwrap();
    let report = host.request(&Request::new(Target::File(path), "")).await.unwrap();
    let longshore::model::Outcome::Ok(value) = report.outcome else { panic!("{report:?}") };
    value.read().unwrap()
}

/// Damages the entry with `damage`, runs, and expects the entry to be made anew.
async fn survives(what: &str, damage: impl Fn(&mut Vec<u8>)) {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(answer(home.path()).await, 42);
    let [path] = compiled(home.path()).try_into().unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut bytes = whole.clone();
    damage(&mut bytes);
    assert_ne!(bytes, whole, "{what}");
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(answer(home.path()).await, 42, "{what}");
    let [again] = compiled(home.path()).try_into().unwrap();
    assert_eq!(again, path);
    let remade = std::fs::read(&path).unwrap();
    assert_ne!(remade, bytes, "{what}: the damaged entry is still there");
    assert_eq!(remade.len(), whole.len(), "{what}");
}

#[tokio::test]
async fn compiled_code_that_was_cut_or_changed_is_compiled_again() {
    survives("empty", Vec::clear).await;
    survives("shorter than its tag", |bytes| bytes.truncate(7)).await;
    survives("half", |bytes| bytes.truncate(bytes.len() / 2)).await;
    survives("one byte less", |bytes| bytes.truncate(bytes.len() - 1)).await;
    survives("one byte more", |bytes| bytes.push(0)).await;
    survives("a flipped bit in the head", |bytes| bytes[16] ^= 1).await;
    survives("a flipped bit in the code", |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x80;
    })
    .await;
    survives("a flipped bit in the tag", |bytes| *bytes.last_mut().unwrap() ^= 1).await;
    survives("all zeroes", |bytes| bytes.fill(0)).await;
}

#[tokio::test]
async fn compiled_code_of_another_host_or_another_component_is_not_used() {
    let (mine, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert_eq!(answer(mine.path()).await, 42);
    assert_eq!(answer(theirs.path()).await, 42);
    let [own] = compiled(mine.path()).try_into().unwrap();
    let [foreign] = compiled(theirs.path()).try_into().unwrap();
    assert_eq!(own.file_name(), foreign.file_name(), "the same component and engine");
    let planted = std::fs::read(&foreign).unwrap();
    std::fs::write(&own, &planted).unwrap();
    assert_eq!(answer(mine.path()).await, 42);
    assert_ne!(std::fs::read(&own).unwrap(), planted, "it is under another host's key");

    // Code of this host's own, but of another component, under this component's name.
    let host = longshore::Longshore::builder().home(mine.path()).build().unwrap();
    let other = mine.path().join("other.wasm");
    std::fs::write(&other, wat(&ANSWER.replace("42", "666"))).unwrap();
    host.compile(&Target::File(other)).await.unwrap();
    let all = compiled(mine.path());
    let evil = all.iter().find(|path| **path != own).unwrap();
    std::fs::copy(evil, &own).unwrap();
    assert_eq!(answer(mine.path()).await, 42);
}

#[tokio::test]
async fn the_cache_of_compiled_code_is_its_users_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    assert_eq!(answer(home.path()).await, 42);
    let folder = Home::new(home.path()).code_cache();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for path in walk(&folder) {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_damaged_key_of_the_cache_is_replaced_and_trusts_nothing_from_before() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(answer(home.path()).await, 42);
    let folder = Home::new(home.path()).code_cache();
    let entry = walk(&folder).into_iter().find(|p| p.extension().is_some()).unwrap();
    let before = std::fs::read(&entry).unwrap();
    std::fs::write(folder.join("key"), b"short").unwrap();
    assert_eq!(answer(home.path()).await, 42);
    assert_eq!(std::fs::metadata(folder.join("key")).unwrap().len(), 32);
    assert_ne!(std::fs::read(&entry).unwrap(), before, "the old tag is not the new key's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hosts_that_race_for_one_home_leave_one_whole_entry_and_one_key() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("answer.wasm"), wat(ANSWER)).unwrap();
    let racing: Vec<_> = (0..8)
        .map(|_| {
            let home = home.path().to_owned();
            tokio::spawn(async move {
                let host = longshore::Longshore::builder().home(&home).build().unwrap();
                let target = Target::File(home.join("answer.wasm"));
                let report = host.request(&Request::new(target, "")).await.unwrap();
                let key = host.signer().unwrap().public_key().key_id();
                (report.outcome.is_ok(), key)
            })
        })
        .collect();
    let mut keys = std::collections::BTreeSet::new();
    for one in racing {
        let (fine, key) = one.await.unwrap();
        assert!(fine);
        keys.insert(key.to_string());
    }
    assert_eq!(keys.len(), 1, "all seal with the same key");
    assert_eq!(compiled(home.path()).len(), 1);
    assert!(
        walk(home.path())
            .iter()
            .all(|path| { !path.file_name().unwrap().to_string_lossy().starts_with('.') })
    );
}

/// Runs in a process of its own when the environment says so: see the test below.
#[tokio::test]
async fn a_process_among_racing_ones() {
    #[expect(clippy::disallowed_methods, reason = "how a test speaks to its own child")]
    let Some(home) = std::env::var_os("LONGSHORE_E2E_RACE") else { return };
    let home = PathBuf::from(home);
    let host = longshore::Longshore::builder().home(&home).build().unwrap();
    let target = Target::File(home.join("answer.wasm"));
    let report = host.request(&Request::new(target, "")).await.unwrap();
    assert!(report.outcome.is_ok());
}

#[test]
fn processes_that_race_for_one_home_leave_one_whole_entry() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("answer.wasm"), wat(ANSWER)).unwrap();
    let children: Vec<_> = (0..4)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "caches::a_process_among_racing_ones"])
                .env("LONGSHORE_E2E_RACE", home.path())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(compiled(home.path()).len(), 1);
    let left = walk(home.path());
    assert!(left.iter().all(|p| !p.file_name().unwrap().to_string_lossy().starts_with('.')));
}

#[tokio::test]
async fn what_is_damaged_in_the_cache_of_fetched_components_is_fetched_again() {
    let registry = embedded_registry();
    let author = key(1);
    let name = format!("{}/team/answer:1.0.0", registry.address());
    publish(&name, wat(ANSWER), &author).await;
    for kind in ["blobs", "manifests", "signatures"] {
        for damage in ["truncate", "flip", "empty"] {
            let stage = Stage::with(|b| b.trust(only(&author)));
            stage.sealed(stage.host.run(&name, "").await.unwrap()).await;
            let files = walk(&Home::new(stage.home()).registry_cache().join(kind));
            assert!(!files.is_empty(), "{kind}");
            for path in files {
                let mut bytes = std::fs::read(&path).unwrap();
                match damage {
                    "truncate" => bytes.truncate(bytes.len() / 2),
                    "flip" => bytes[3] ^= 0x20,
                    _ => bytes.clear(),
                }
                std::fs::write(&path, bytes).unwrap();
            }
            let ran = stage.sealed(stage.host.run(&name, "").await.unwrap()).await;
            assert_eq!(ran.value(), 42, "{kind} {damage}");
        }
    }
}

#[tokio::test]
async fn a_planted_component_in_the_cache_never_runs() {
    let registry = embedded_registry();
    let author = key(1);
    let name = format!("{}/team/answer:1.0.0", registry.address());
    publish(&name, wat(ANSWER), &author).await;
    let stage = Stage::with(|b| b.trust(only(&author)));
    assert_eq!(stage.sealed(stage.host.run(&name, "").await.unwrap()).await.value(), 42);
    let blobs = walk(&Home::new(stage.home()).registry_cache().join("blobs"));
    for blob in &blobs {
        std::fs::write(blob, wat(&ANSWER.replace("42", "666"))).unwrap();
    }
    assert_eq!(stage.sealed(stage.host.run(&name, "").await.unwrap()).await.value(), 42);
    // And with nobody to ask it is an error, not a run.
    for blob in &blobs {
        std::fs::write(blob, wat(&ANSWER.replace("42", "666"))).unwrap();
    }
    drop(registry);
    let offline = longshore::client::ClientConfig {
        cache: Some(Home::new(stage.home()).registry_cache()),
        offline: true,
        ..Default::default()
    };
    let other = Stage::with(|b| b.trust(only(&author)).registry(offline));
    let error = other.rejected(&Request::new(Target::parse(&name).unwrap(), "")).await;
    assert_eq!(error.code(), "LS-REG-027", "{error}");
}

#[tokio::test]
async fn a_cache_that_lies_about_signatures_does_not_make_trust() {
    let registry = embedded_registry();
    let author = key(1);
    let name = format!("{}/team/answer:1.0.0", registry.address());
    publish(&name, wat(ANSWER), &key(2)).await;
    let open = Stage::with(|b| b.trust(TrustPolicy::insecure_accept_anything()));
    assert!(open.host.run(&name, "").await.unwrap().outcome.is_ok());
    // The same home, now with a policy: what is cached is judged again.
    let cache = Home::new(open.home()).registry_cache();
    let config = longshore::client::ClientConfig { cache: Some(cache), ..Default::default() };
    let strict = Stage::with(|b| b.trust(only(&author)).registry(config));
    let error = strict.rejected(&Request::new(Target::parse(&name).unwrap(), "")).await;
    assert_eq!(error.code(), "LS-TRU-002");
}
