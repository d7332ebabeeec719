//! Conformance: pull.

use longshore_reference::{Digest, media};

use crate::wire::Registry;

#[test]
fn the_root_says_that_this_is_a_registry() {
    let answer = Registry::start().get("/v2/");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("docker-distribution-api-version"), Some("registry/2.0"));
}

#[test]
fn a_manifest_comes_back_byte_for_byte_by_tag_and_by_digest() {
    let registry = Registry::start();
    let manifest = registry.push("a/b", "1.0", b"layer");
    let digest = Digest::of(&manifest).to_string();
    for name in ["1.0", &digest] {
        let target = format!("/v2/a/b/manifests/{name}");
        let got = registry.get(&target);
        assert_eq!((got.status, &got.body), (200, &manifest));
        assert_eq!(got.header("content-type"), Some(media::OCI_MANIFEST));
        assert_eq!(got.header("docker-content-digest"), Some(digest.as_str()));
        let head = registry.send("HEAD", &target, &[], b"");
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), Some(manifest.len().to_string().as_str()));
        assert_eq!(head.header("docker-content-digest"), Some(digest.as_str()));
    }
    let only = |accept| registry.send("GET", "/v2/a/b/manifests/1.0", &[("accept", accept)], b"");
    assert_eq!(only("application/*").status, 200);
    let refused = only(media::OCI_INDEX);
    assert_eq!((refused.status, refused.error().as_str()), (404, "MANIFEST_UNKNOWN"));
}

#[test]
fn what_is_not_there_is_404_with_the_code_of_the_specification() {
    let registry = Registry::start();
    registry.push("a", "1", b"layer");
    let other = Digest::of(b"other");
    for (target, code) in [
        ("/v2/a/manifests/2".to_owned(), "MANIFEST_UNKNOWN"),
        (format!("/v2/a/manifests/{other}"), "MANIFEST_UNKNOWN"),
        (format!("/v2/a/blobs/{other}"), "BLOB_UNKNOWN"),
        // A blob of one repository is not a blob of another.
        (format!("/v2/b/blobs/{}", Digest::of(b"layer")), "BLOB_UNKNOWN"),
        ("/v2/b/tags/list".to_owned(), "NAME_UNKNOWN"),
        ("/v2/a/blobs/uploads/0123".to_owned(), "BLOB_UPLOAD_UNKNOWN"),
    ] {
        let answer = registry.get(&target);
        assert_eq!((answer.status, answer.error().as_str()), (404, code), "{target}");
        assert_eq!(registry.send("HEAD", &target, &[], b"").status, 404);
    }
}

#[test]
fn a_blob_comes_whole_in_part_or_not_at_all_when_it_is_known() {
    let registry = Registry::start();
    let blob: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let digest = registry.push_blob("a", &blob);
    let target = format!("/v2/a/blobs/{digest}");
    let get = |headers: &[(&str, &str)]| registry.send("GET", &target, headers, b"");
    let whole = get(&[]);
    assert_eq!((whole.status, &whole.body), (200, &blob));
    assert_eq!(whole.header("docker-content-digest"), Some(digest.to_string().as_str()));
    let part = get(&[("range", "bytes=100000-100003")]);
    assert_eq!((part.status, &part.body[..]), (206, &blob[100_000..=100_003]));
    assert_eq!(part.header("content-range"), Some("bytes 100000-100003/800000"));
    assert_eq!(get(&[("range", "bytes=-5")]).body, &blob[799_995..]);
    let beyond = get(&[("range", "bytes=800000-")]);
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */800000")));
    let etag = format!("\"{digest}\"");
    assert_eq!(get(&[("if-none-match", &etag)]).status, 304);
    assert_eq!(get(&[("range", "bytes=0-1"), ("if-range", "\"other\"")]).status, 200);
    let head = registry.send("HEAD", &target, &[], b"");
    assert_eq!((head.status, head.header("content-length")), (200, Some("800000")));
}
