//! The whole way, against Debian's `docker-registry` (2.8: no referrers API, so the fallback tag).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use longshore_client::{Artifact, ClientConfig, Registry, Sizes};
use longshore_reference::{Candidate, Digest, Reference, Repository, media};

use crate::hostile::quick;

const PROGRAM: &str = "/usr/bin/docker-registry";

/// A running registry on a free port, with its storage in a folder that goes away with it.
struct Debian {
    child: Child,
    host: String,
    _dir: tempfile::TempDir,
}

impl Drop for Debian {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts one; `None`, said aloud, where it is not installed and not required.
async fn start() -> Option<Debian> {
    if !std::path::Path::new(PROGRAM).exists() {
        #[expect(clippy::disallowed_methods, reason = "the skip rule is set by environment")]
        let required = std::env::var_os("LONGSHORE_REQUIRE_SERVERS").is_some();
        assert!(!required, "{PROGRAM} is required and not installed");
        let _ = writeln!(std::io::stderr(), "skipped: {PROGRAM} is not installed");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let config = dir.path().join("config.yml");
    let text = format!(
        "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
         http:\n  addr: 127.0.0.1:{port}\n",
        dir.path().join("data").display()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(PROGRAM);
    command.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    let debian = Debian { child, host: format!("127.0.0.1:{port}"), _dir: dir };
    for _ in 0..200 {
        if tokio::net::TcpStream::connect(&debian.host).await.is_ok() {
            return Some(debian);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{PROGRAM} does not come up");
}

fn artifact() -> Artifact {
    Artifact {
        title: "hash.wasm".into(),
        created: "2026-01-02T03:04:05Z".into(),
        exports: vec!["longshore:demo/hash@1.0.0".into()],
        annotations: BTreeMap::from([("org.opencontainers.image.version".into(), "1.0.0".into())]),
        ..Artifact::default()
    }
}

#[tokio::test]
async fn what_is_pushed_is_resolved_fetched_and_run_offline_with_its_signatures() {
    let Some(debian) = start().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let config = ClientConfig {
        sizes: Sizes { chunk: 1000, ..Sizes::default() },
        timeouts: longshore_client::Timeouts::default(),
        ..quick(Some(dir.path()))
    };
    let registry = Registry::new(config.clone());
    let repository: Repository = format!("{}/demo/hash", debian.host).parse().unwrap();
    let reference = repository.clone().with_tag("1.0.0").unwrap();
    // Large enough for several pieces.
    let component = Bytes::from((0..10_500_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>());
    let pushed = registry.push(&reference, component.clone(), &artifact()).await.unwrap();
    assert_eq!(registry.push(&reference, component.clone(), &artifact()).await.unwrap(), pushed);
    let resolved = registry.resolve(&reference).await.unwrap();
    assert_eq!((&resolved.manifest, &resolved.reference), (&pushed.manifest, &pushed.reference));
    assert_eq!(resolved.layer.annotations[media::ANNOTATION_TITLE], "hash.wasm");
    let fetched = registry.fetch(&resolved).await.unwrap();
    assert_eq!(fetched.bytes()[..], component[..]);
    assert!(fetched.candidates().is_empty());

    let created = "2026-01-02T03:04:06Z";
    for bundle in ["{\"first\":1}", "{\"second\":2}", "{\"second\":2}"] {
        let attached = registry.attach(&repository, &pushed.manifest, bundle.into(), created).await;
        attached.unwrap();
    }
    let expected =
        [b"{\"first\":1}", &b"{\"second\":2}"[..]].map(|bytes| Candidate::Bundle(bytes.to_vec()));
    assert_eq!(registry.fetch(&resolved).await.unwrap().candidates(), expected);

    drop(debian);
    let offline = Registry::new(ClientConfig { offline: true, ..config.clone() });
    let again = offline.resolve(&reference).await.unwrap();
    let fetched = offline.fetch(&again).await.unwrap();
    assert_eq!((fetched.digest(), fetched.candidates()), (Digest::of(&component), &expected[..]));
    // Online, with the registry gone: a digest is answered from the cache alone.
    let pinned = registry.resolve(&pushed.reference).await.unwrap();
    assert_eq!(registry.fetch(&pinned).await.unwrap().candidates(), expected);
    let stats = registry.cache_stats().await.unwrap();
    assert_eq!((stats.blobs, stats.blob_bytes, stats.signatures), (1, 10_500, 1));
}

#[tokio::test]
async fn the_highest_version_in_a_range_is_found_among_other_tags() {
    let Some(debian) = start().await else { return };
    let registry = Registry::new(ClientConfig::default());
    let repository: Repository = format!("{}/demo/hash", debian.host).parse().unwrap();
    for tag in ["1.2.0", "1.10.0", "2.0.0", "1.11.0-rc.1", "latest"] {
        let reference = repository.clone().with_tag(tag).unwrap();
        registry.push(&reference, Bytes::from(tag), &artifact()).await.unwrap();
    }
    let (version, resolved) =
        registry.resolve_version(&repository, &"^1.2".parse().unwrap()).await.unwrap();
    assert_eq!(
        (version.to_string().as_str(), resolved.reference.tag()),
        ("1.10.0", Some("1.10.0"))
    );
    assert_eq!(resolved.layer.digest, Digest::of(b"1.10.0"));
    let missing: Reference = format!("{repository}:9.9.9").parse().unwrap();
    assert_eq!(registry.resolve(&missing).await.unwrap_err().code(), "LS-REG-009");
    let other: Repository = format!("{}/demo/none", debian.host).parse().unwrap();
    assert_eq!(registry.tags(&other).await.unwrap_err().code(), "LS-REG-009");
}

#[tokio::test]
async fn a_push_is_refused_where_the_reference_is_pinned_to_something_else() {
    let Some(debian) = start().await else { return };
    let registry = Registry::new(ClientConfig::default());
    let repository: Repository = format!("{}/demo/hash", debian.host).parse().unwrap();
    let pinned = repository.clone().with_digest(Digest::of(b"other"));
    let error = registry.push(&pinned, Bytes::from_static(b"x"), &artifact()).await.unwrap_err();
    assert_eq!(error.code(), "LS-REG-036");
    let bare: Reference = repository.to_string().parse().unwrap();
    let pushed = registry.push(&bare, Bytes::from_static(b"x"), &artifact()).await.unwrap();
    assert_eq!(pushed.reference, repository.with_digest(pushed.manifest.digest));
    registry.resolve(&pushed.reference).await.unwrap();
}
