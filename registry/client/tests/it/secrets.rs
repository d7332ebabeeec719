//! Credentials reach the registry that they are for, and nobody else.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use longshore_client::{ClientConfig, Error, Registry};

use crate::hostile::{quick, reference};
use crate::hostile_server::{Answer, Request, Server, manifest_of};

/// `user:hunter2` in base64.
const BASIC: &str = "dXNlcjpodW50ZXIy";

fn asks(challenge: &str, request: &Request, wanted: &str) -> Answer {
    if request.header("authorization") == Some(wanted) {
        return Answer::ok(&manifest_of(b"x", 1));
    }
    Answer::new(401, &[("www-authenticate", challenge)], b"")
}

fn with_docker(dir: &Path, json: &str) -> ClientConfig {
    std::fs::write(dir.join("config.json"), json).unwrap();
    ClientConfig {
        docker_config: Some(dir.to_owned()),
        helper_path: Some(dir.as_os_str().to_owned()),
        ..quick(None)
    }
}

fn inline(server: &Server) -> String {
    format!("{{\"auths\":{{\"{}\":{{\"auth\":\"{BASIC}\"}}}}}}", server.host)
}

#[tokio::test]
async fn basic_credentials_come_from_the_docker_config_and_are_sent_when_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|r| asks("Basic realm=\"r\"", r, &format!("Basic {BASIC}"))).await;
    let registry = Registry::new(with_docker(dir.path(), &inline(&server)));
    registry.resolve(&reference(&server)).await.unwrap();
    registry.resolve(&reference(&server)).await.unwrap();
    let sent: Vec<_> =
        server.log().iter().map(|request| request.header("authorization").is_some()).collect();
    assert_eq!(sent, [false, true, true]);
    let other = Server::start(|r| asks("Basic realm=\"r\"", r, "none")).await;
    let error = registry.resolve(&reference(&other)).await.unwrap_err();
    assert_eq!(error.code(), "LS-REG-007");
    assert!(other.log().iter().all(|request| request.header("authorization").is_none()));
    assert!(!format!("{registry:?}").contains("hunter2"));
}

#[tokio::test]
async fn credentials_come_from_helpers_found_on_the_path_that_was_passed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|r| asks("Basic realm=\"r\"", r, &format!("Basic {BASIC}"))).await;
    let helper = dir.path().join("docker-credential-test");
    let run = |script: String, json: String| {
        std::fs::write(&helper, script).unwrap();
        std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
        let registry = Registry::new(with_docker(dir.path(), &json));
        let reference = reference(&server);
        async move { registry.resolve(&reference).await }
    };
    let good = format!(
        "#!/bin/sh\nread -r host\n[ \"$1 $host\" = 'get {}' ] || exit 1\n\
         echo '{{\"Username\":\"user\",\"Secret\":\"hunter2\"}}'\n",
        server.host
    );
    let own = format!("{{\"credHelpers\":{{\"{}\":\"test\"}}}}", server.host);
    run(good.clone(), own.clone()).await.unwrap();
    run(good, "{\"credsStore\":\"test\"}".into()).await.unwrap();
    let none = "#!/bin/sh\necho 'credentials not found in native keychain'\nexit 1\n".to_owned();
    assert_eq!(run(none, own.clone()).await.unwrap_err().code(), "LS-REG-007");
    for script in ["#!/bin/sh\necho hunter2\nexit 1\n", "#!/bin/sh\necho hunter2\n"] {
        let error = run(script.to_owned(), own.clone()).await.unwrap_err();
        assert_eq!(error.code(), "LS-REG-032");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    for json in ["{\"credsStore\":\"../test\"}", "{\"credsStore\":\"absent\"}", "{\"auths\":7}"] {
        let error = run("#!/bin/sh\n".to_owned(), json.to_owned()).await.unwrap_err();
        assert_eq!(error.code(), "LS-REG-032", "{json}");
    }
}

#[tokio::test]
async fn a_token_is_asked_for_with_the_least_scope_and_renewed_when_it_ran_out() {
    let dir = tempfile::tempdir().unwrap();
    let (issued, used) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let server = Server::start(move |request| {
        if request.target.starts_with("/token") {
            let turn = issued.fetch_add(1, Ordering::SeqCst);
            return Answer::ok(format!("{{\"token\":\"t{turn}\"}}").as_bytes());
        }
        let host = request.header("host").unwrap();
        let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"s\"");
        // Each token holds for one use.
        let wanted = format!("Bearer t{}", used.load(Ordering::SeqCst));
        if request.header("authorization") == Some(wanted.as_str()) {
            used.fetch_add(1, Ordering::SeqCst);
        }
        asks(&challenge, request, &wanted)
    })
    .await;
    let registry = Registry::new(with_docker(dir.path(), &inline(&server)));
    registry.resolve(&reference(&server)).await.unwrap();
    registry.resolve(&reference(&server)).await.unwrap();
    let log = server.log();
    let asked = log.iter().find(|request| request.target.starts_with("/token")).unwrap();
    assert!(asked.target.contains("scope=repository%3Ax%3Apull&"), "{}", asked.target);
    assert!(asked.target.contains("service=s"));
    assert_eq!(asked.header("authorization"), Some(format!("Basic {BASIC}").as_str()));
    let sent: Vec<_> = log
        .iter()
        .filter(|request| request.target.starts_with("/v2/"))
        .map(|request| request.header("authorization"))
        .collect();
    assert_eq!(sent, [None, Some("Bearer t0"), Some("Bearer t0"), Some("Bearer t1")]);
}

#[tokio::test]
async fn credentials_are_not_sent_to_a_realm_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    for realm in
        ["https://evil.example/t", "http://evil.example/t", "http://u:p@127.0.0.1:1/t", "?"]
    {
        let challenge = format!("Bearer realm=\"{realm}\"");
        let server = Server::start(move |request| asks(&challenge, request, "never")).await;
        let registry = Registry::new(with_docker(dir.path(), &inline(&server)));
        let error = registry.resolve(&reference(&server)).await.unwrap_err();
        assert_eq!(error.code(), "LS-REG-030", "{realm}");
    }
}

#[tokio::test]
async fn a_redirect_is_followed_without_credentials_and_not_just_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Server::start(|_| Answer::ok(b"x")).await;
    let target = format!("http://{}/store?signature=hunter2", storage.host);
    let server = Server::start(move |request| {
        if request.target.contains("/blobs/") {
            return Answer::new(307, &[("location", &target)], b"");
        }
        if request.target.contains("/manifests/1") {
            return asks("Basic realm=\"r\"", request, &format!("Basic {BASIC}"));
        }
        Answer::status(404)
    })
    .await;
    let registry = Registry::new(with_docker(dir.path(), &inline(&server)));
    let resolved = registry.resolve(&reference(&server)).await.unwrap();
    registry.fetch(&resolved).await.unwrap();
    assert_eq!(storage.log().len(), 1);
    assert!(storage.log()[0].header("authorization").is_none());
    for target in
        ["http://169.254.169.254/?k=hunter2", "file:///etc/passwd", "https://u:p@a.example/"]
    {
        let server = Server::start(move |_| Answer::new(302, &[("location", target)], b"")).await;
        let error = registry.resolve(&reference(&server)).await.unwrap_err();
        assert!(matches!(error, Error::Redirect { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
    let turning = Server::start(|_| Answer::new(302, &[("location", "/v2/again")], b"")).await;
    let error = registry.resolve(&reference(&turning)).await.unwrap_err();
    assert_eq!(error.code(), "LS-REG-031");
}

#[tokio::test]
async fn an_upload_elsewhere_carries_no_credentials_and_pieces_that_are_refused_go_in_one() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Server::start(|request| match request.method.as_str() {
        "PATCH" => Answer::status(405),
        _ => Answer::status(201),
    })
    .await;
    let target = format!("http://{}/upload?state=1", storage.host);
    let server = Server::start(move |request| {
        if request.header("authorization").is_none() {
            return asks("Basic realm=\"r\"", request, "always");
        }
        match request.method.as_str() {
            "HEAD" => Answer::status(404),
            "POST" => Answer::new(202, &[("location", &target)], b""),
            _ => Answer::status(201),
        }
    })
    .await;
    let sizes = longshore_client::Sizes { chunk: 4, ..Default::default() };
    let config = ClientConfig { sizes, ..with_docker(dir.path(), &inline(&server)) };
    let registry = Registry::new(config);
    let artifact = longshore_client::Artifact::default();
    registry.push(&reference(&server), "component".into(), &artifact).await.unwrap();
    let log = storage.log();
    assert!(log.iter().all(|request| request.header("authorization").is_none()));
    assert_eq!((log[0].method.as_str(), &log[0].body[..]), ("PATCH", &b"comp"[..]));
    assert_eq!(log[0].header("content-range"), Some("0-3"));
    assert_eq!((log[1].method.as_str(), &log[1].body[..]), ("PUT", &b"component"[..]));
    assert!(log[1].target.starts_with("/upload?state=1&digest=sha256%3A"), "{}", log[1].target);
}
