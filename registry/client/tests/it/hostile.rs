//! Each lie that a registry can tell has its own error, and leaves nothing behind.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longshore_client::{ClientConfig, Registry, Sizes, Timeouts};
use longshore_reference::{Digest, Reference};

use crate::hostile_server::{Answer, Request, Server, manifest_of};

pub(crate) fn quick(cache: Option<&Path>) -> ClientConfig {
    ClientConfig {
        cache: cache.map(Path::to_owned),
        timeouts: Timeouts {
            connect: Duration::from_millis(500),
            read: Duration::from_millis(300),
            backoff: Duration::from_millis(5),
            ..Timeouts::default()
        },
        sizes: Sizes { component: 1 << 20, ..Sizes::default() },
        ..ClientConfig::default()
    }
}

pub(crate) fn reference(server: &Server) -> Reference {
    format!("{}/x:1", server.host).parse().unwrap()
}

/// The code with which resolving fails.
async fn refusal(
    answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> (&'static str, usize) {
    let server = Server::start(answer).await;
    let error = Registry::new(quick(None)).resolve(&reference(&server)).await.unwrap_err();
    (error.code(), server.log().len())
}

#[tokio::test]
async fn every_refusal_of_a_registry_has_its_own_code_and_only_passing_ones_are_tried_again() {
    for (status, code, tries) in [
        (401, "LS-REG-007", 1),
        (403, "LS-REG-008", 1),
        (404, "LS-REG-009", 1),
        (429, "LS-REG-010", 3),
        (500, "LS-REG-011", 3),
        (503, "LS-REG-011", 3),
        (418, "LS-REG-012", 1),
    ] {
        assert_eq!(refusal(move |_| Answer::status(status)).await, (code, tries), "{status}");
    }
    let patient = |_: &Request| Answer::new(429, &[("retry-after", "3600")], b"");
    assert_eq!(refusal(patient).await, ("LS-REG-010", 1));
}

#[tokio::test]
async fn broken_slow_and_endless_answers_are_told_apart() {
    assert_eq!(refusal(|_| Answer::raw(*b"SSH-2.0-OpenSSH\r\n\r\n")).await.0, "LS-REG-013");
    assert_eq!(refusal(|_| Answer::silence()).await.0, "LS-REG-006");
    assert_eq!(refusal(|_| Answer::raw(*b"")).await, ("LS-REG-019", 3));
    let cut = |_: &Request| Answer::new(200, &[("content-length", "100")], b"{");
    assert_eq!(refusal(cut).await, ("LS-REG-019", 3));
    assert_eq!(refusal(|_| Answer::ok(b"<html>")).await.0, "LS-REG-020");
    let stated = |_: &Request| Answer::new(200, &[("content-length", "99999999999")], b"");
    assert_eq!(refusal(stated).await.0, "LS-REG-014");
    let endless = |_: &Request| {
        let chunk = [&b"100000\r\n"[..], &vec![b' '; 1 << 20], b"\r\n"].concat();
        Answer::new(200, &[("transfer-encoding", "chunked")], &chunk.repeat(6))
    };
    assert_eq!(refusal(endless).await.0, "LS-REG-014");
    let wrong = |_: &Request| {
        let stated = Digest::of(b"other").to_string();
        Answer::new(200, &[("docker-content-digest", &stated)], &manifest_of(b"x", 1))
    };
    assert_eq!(refusal(wrong).await.0, "LS-REG-016");
}

#[tokio::test]
async fn a_registry_that_is_down_is_tried_three_times_and_named() {
    let registry = Registry::new(quick(None));
    let error = registry.resolve(&"127.0.0.1:1/x:1".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.code(), "LS-REG-004");
    assert_eq!(error.to_string(), "no connection to `127.0.0.1:1`");
    let relative = registry.resolve(&"plugins/x:1".parse().unwrap()).await.unwrap_err();
    assert_eq!(relative.code(), "LS-REG-001");
    assert!(relative.hint().unwrap().contains("/plugins/x:1"));
    let bare = registry.resolve(&"127.0.0.1:1/x".parse().unwrap()).await.unwrap_err();
    assert_eq!(bare.code(), "LS-REG-002");
}

#[tokio::test]
async fn a_pinned_manifest_with_other_bytes_is_refused() {
    let server = Server::start(|_| Answer::ok(&manifest_of(b"x", 1))).await;
    let pinned = reference(&server).pinned(Digest::of(b"something else"));
    let error = Registry::new(quick(None)).resolve(&pinned).await.unwrap_err();
    assert_eq!(error.code(), "LS-REG-015");
}

/// Serves one component, whose blob request is answered by `blob`; everything else is not there.
async fn component(size: u64, blob: impl Fn() -> Answer + Send + Sync + 'static) -> Server {
    Server::start(move |request| match request.target.as_str() {
        "/v2/x/manifests/1" => Answer::ok(&manifest_of(b"honest", size)),
        target if target.contains("/blobs/") => blob(),
        _ => Answer::status(404),
    })
    .await
}

#[tokio::test]
async fn lies_about_a_blob_are_told_apart_and_leave_nothing_behind() {
    let chunked = |body: &'static [u8]| {
        let framed = [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat();
        move || Answer::new(200, &[("transfer-encoding", "chunked")], &framed)
    };
    type Lie = Box<dyn Fn() -> Answer + Send + Sync>;
    let lies: Vec<(Lie, u64, &str, usize)> = vec![
        (Box::new(|| Answer::ok(b"hones")), 6, "LS-REG-017", 1),
        (Box::new(chunked(b"hones")), 6, "LS-REG-017", 1),
        (Box::new(|| Answer::ok(b"honest!")), 6, "LS-REG-018", 1),
        (Box::new(chunked(b"honest!")), 6, "LS-REG-018", 1),
        (Box::new(|| Answer::ok(b"HONEST")), 6, "LS-REG-015", 1),
        (Box::new(|| Answer::new(200, &[("content-length", "6")], b"hon")), 6, "LS-REG-019", 3),
        (Box::new(|| Answer::status(404)), 6, "LS-REG-009", 1),
        (Box::new(|| Answer::ok(b"honest")), 1 << 40, "LS-REG-025", 0),
    ];
    for (lie, size, code, tries) in lies {
        let dir = tempfile::tempdir().unwrap();
        let server = component(size, lie).await;
        let registry = Registry::new(quick(Some(dir.path())));
        let resolved = registry.resolve(&reference(&server)).await.unwrap();
        let error = registry.fetch(&resolved).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        let asked = server.lines().iter().filter(|line| line.contains("/blobs/")).count();
        assert_eq!(asked, tries, "{code}");
        let left = std::fs::read_dir(dir.path().join("blobs")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{code}");
    }
}

#[tokio::test]
async fn a_broken_transfer_starts_again_and_succeeds() {
    let turn = AtomicUsize::new(0);
    let server = component(6, move || match turn.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::new(200, &[("content-length", "6")], b"hon"),
        1 => Answer::status(503),
        _ => Answer::ok(b"honest"),
    })
    .await;
    let registry = Registry::new(quick(None));
    let resolved = registry.resolve(&reference(&server)).await.unwrap();
    assert_eq!(&**registry.fetch(&resolved).await.unwrap().bytes(), b"honest");
}

#[tokio::test]
async fn a_damaged_cache_entry_is_fetched_anew_online_and_an_error_offline() {
    let dir = tempfile::tempdir().unwrap();
    let server = component(6, || Answer::ok(b"honest")).await;
    let online = Registry::new(quick(Some(dir.path())));
    let offline = Registry::new(ClientConfig { offline: true, ..quick(Some(dir.path())) });
    let reference = reference(&server);
    assert_eq!(offline.resolve(&reference).await.unwrap_err().code(), "LS-REG-026");
    let resolved = online.resolve(&reference).await.unwrap();
    assert_eq!(offline.fetch(&resolved).await.unwrap_err().code(), "LS-REG-026");
    online.fetch(&resolved).await.unwrap();
    assert_eq!(offline.resolve(&reference).await.unwrap(), resolved);
    assert_eq!(offline.fetch(&resolved).await.unwrap().digest(), Digest::of(b"honest"));
    let blob = dir.path().join("blobs").join(resolved.layer.digest.hex());
    for damage in [&b"h0nest"[..], b"", b"honest and more"] {
        std::fs::write(&blob, damage).unwrap();
        assert_eq!(offline.fetch(&resolved).await.unwrap_err().code(), "LS-REG-027");
        assert!(!blob.exists());
        std::fs::write(&blob, damage).unwrap();
        assert_eq!(&**online.fetch(&resolved).await.unwrap().bytes(), b"honest");
        assert_eq!(std::fs::read(&blob).unwrap(), b"honest");
    }
    let manifest = dir.path().join("manifests").join(resolved.manifest.digest.hex());
    std::fs::write(&manifest, b"{}").unwrap();
    assert_eq!(offline.resolve(&reference).await.unwrap_err().code(), "LS-REG-027");
}

#[tokio::test]
async fn a_pinned_component_in_the_cache_needs_no_registry_but_for_signatures() {
    let dir = tempfile::tempdir().unwrap();
    let server = component(6, || Answer::ok(b"honest")).await;
    let registry = Registry::new(quick(Some(dir.path())));
    let resolved = registry.resolve(&reference(&server)).await.unwrap();
    registry.fetch(&resolved).await.unwrap();
    let asked = server.log().len();
    let again = registry.resolve(&resolved.reference).await.unwrap();
    assert_eq!((again.layer.clone(), server.log().len()), (resolved.layer.clone(), asked));
    assert!(registry.fetch_offline(&again).await.unwrap().candidates().is_empty());
    assert_eq!(server.log().len(), asked);
    registry.fetch(&again).await.unwrap();
    assert!(server.lines()[asked..].iter().all(|line| !line.contains("/blobs/")));
}

#[tokio::test]
async fn a_registry_that_fails_to_list_signatures_has_not_said_that_there_are_none() {
    for (part, status, code) in [
        ("/referrers/", 401, "LS-REG-007"),
        ("/referrers/", 500, "LS-REG-011"),
        ("/manifests/sha256-", 403, "LS-REG-008"),
        (".sig", 500, "LS-REG-011"),
    ] {
        let server = Server::start(move |request| match request.target.as_str() {
            "/v2/x/manifests/1" => Answer::ok(&manifest_of(b"honest", 6)),
            target if target.contains(part) => Answer::status(status),
            target if target.contains("/blobs/") => Answer::ok(b"honest"),
            _ => Answer::status(404),
        })
        .await;
        let registry = Registry::new(quick(None));
        let resolved = registry.resolve(&reference(&server)).await.unwrap();
        assert_eq!(registry.fetch(&resolved).await.unwrap_err().code(), code, "{part}");
    }
}

#[tokio::test]
async fn tags_come_page_by_page_up_to_a_bound_and_never_from_elsewhere() {
    let pages = |next: &'static str| {
        Server::start(move |request| {
            let last = request.target.contains("last=");
            let body =
                if last { r#"{"tags":["1.2.0","2.0.0"]}"# } else { r#"{"tags":["1.10.0","x"]}"# };
            let link = format!("<{next}>; rel=\"next\"");
            let more = [("link", link.as_str())];
            Answer::new(200, if last { &[] } else { &more }, body.as_bytes())
        })
    };
    let server = pages("/v2/x/tags/list?n=2&last=x").await;
    let repository = format!("{}/x", server.host).parse().unwrap();
    let registry = Registry::new(quick(None));
    assert_eq!(registry.tags(&repository).await.unwrap(), ["1.10.0", "1.2.0", "2.0.0", "x"]);
    let few = ClientConfig { sizes: Sizes { tags: 3, ..Sizes::default() }, ..quick(None) };
    let error = Registry::new(few).tags(&repository).await.unwrap_err();
    assert_eq!(error.code(), "LS-REG-034");
    let range = "^3".parse().unwrap();
    let error = registry.resolve_version(&repository, &range).await.unwrap_err();
    assert_eq!(error.code(), "LS-REG-033");
    let server = pages("https://elsewhere.example/v2/x/tags/list?last=x").await;
    let repository = format!("{}/x", server.host).parse().unwrap();
    assert_eq!(registry.tags(&repository).await.unwrap_err().code(), "LS-REG-031");
}

#[tokio::test]
async fn a_tag_list_that_is_not_json_is_a_broken_answer() {
    let server = Server::start(|_| Answer::ok(b"<html>")).await;
    let repository = format!("{}/x", server.host).parse().unwrap();
    let error = Registry::new(quick(None)).tags(&repository).await.unwrap_err();
    assert_eq!(error.code(), "LS-REG-013");
}

#[test]
fn making_a_client_is_cheap_and_reads_no_file() {
    let started = std::time::Instant::now();
    for _ in 0..100 {
        let missing = ClientConfig { extra_ca: vec!["/nonexistent.pem".into()], ..quick(None) };
        drop(Registry::new(missing));
    }
    assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
}

#[tokio::test]
async fn progress_is_told_from_nothing_to_all() {
    let server = component(6, || Answer::ok(b"honest")).await;
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = seen.clone();
    let watch = move |transfer: &longshore_client::Transfer| {
        kept.lock().unwrap().push((transfer.done, transfer.total));
    };
    let registry = Registry::new(quick(None)).with_progress(Arc::new(watch));
    let resolved = registry.resolve(&reference(&server)).await.unwrap();
    registry.fetch(&resolved).await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!((seen.first(), seen.last()), (Some(&(0, 6)), Some(&(6, 6))));
}

#[test]
fn every_operation_can_be_spawned() {
    fn spawnable<T: Send>(_: T) {}
    let registry = Registry::new(ClientConfig::default());
    let reference: Reference = "127.0.0.1:1/x:1".parse().unwrap();
    let (repository, range) = (reference.repository(), "*".parse().unwrap());
    let artifact = longshore_client::Artifact::default();
    spawnable(registry.resolve(&reference));
    spawnable(registry.resolve_version(repository, &range));
    spawnable(registry.push(&reference, "x".into(), &artifact));
    spawnable(async {
        let resolved = registry.resolve(&reference).await.unwrap();
        registry.refresh_signatures(&resolved).await.unwrap();
        registry.fetch(&resolved).await.unwrap();
        registry.attach(repository, &resolved.manifest, "x".into(), "").await.unwrap();
    });
}
