//! Conformance: push.

use longshore_reference::{Digest, media};
use serde_json::json;

use crate::wire::{Registry, descriptor, manifest};

#[test]
fn a_blob_is_pushed_by_one_post_or_by_a_post_and_a_put() {
    let registry = Registry::start();
    let digest = registry.push_blob("a", b"one post");
    assert_eq!(registry.get(&format!("/v2/a/blobs/{digest}")).body, b"one post");

    let location = registry.upload("a");
    let digest = Digest::of(b"post and put");
    let target = format!("{location}?digest={}", digest.to_string().replace(':', "%3A"));
    let put = registry.send("PUT", &target, &[], b"post and put");
    assert_eq!(put.status, 201);
    assert_eq!(put.header("location"), Some(format!("/v2/a/blobs/{digest}").as_str()));
    assert_eq!(registry.get(&format!("/v2/a/blobs/{digest}")).body, b"post and put");
    // The upload is over.
    assert_eq!(registry.get(&location).status, 404);
}

#[test]
fn chunks_go_where_the_last_one_ended_and_nowhere_else() {
    let registry = Registry::start();
    let location = registry.upload("a");
    let patch = |range: &str, body: &[u8]| {
        registry.send("PATCH", &location, &[("content-range", range)], body)
    };
    let first = patch("0-4", b"hello");
    assert_eq!((first.status, first.header("range")), (202, Some("0-4")));
    let id = location.rsplit('/').next();
    assert_eq!(first.header("docker-upload-uuid"), id);
    for (range, body) in [("0-4", b"hello"), ("6-10", b"world")] {
        let wrong = patch(range, body);
        assert_eq!((wrong.status, wrong.header("range")), (416, Some("0-4")), "{range}");
    }
    let short = patch("5-99", b" wo");
    assert_eq!((short.status, short.error().as_str()), (400, "SIZE_INVALID"));
    assert_eq!(patch("nonsense", b"x").status, 400);
    let standing = registry.get(&location);
    assert_eq!((standing.status, standing.header("range")), (204, Some("0-4")));
    assert_eq!(registry.send("PATCH", &location, &[], b" world").status, 202);
    let digest = Digest::of(b"hello world!");
    let end = registry.send("PUT", &format!("{location}?digest={digest}"), &[], b"!");
    assert_eq!(end.status, 201);
    assert_eq!(registry.get(&format!("/v2/a/blobs/{digest}")).body, b"hello world!");
}

#[test]
fn an_upload_belongs_to_its_repository_and_can_be_cancelled() {
    let registry = Registry::start();
    let location = registry.upload("a");
    let other = location.replace("/v2/a/", "/v2/b/");
    assert_eq!(registry.send("PATCH", &other, &[], b"x").status, 404);
    assert_eq!(registry.send("DELETE", &location, &[], b"").status, 204);
    assert_eq!(registry.send("PATCH", &location, &[], b"x").status, 404);
}

#[test]
fn a_blob_with_another_digest_is_not_kept() {
    let registry = Registry::start();
    let promised = Digest::of(b"promised");
    let posted =
        registry.send("POST", &format!("/v2/a/blobs/uploads/?digest={promised}"), &[], b"other");
    assert_eq!((posted.status, posted.error().as_str()), (400, "DIGEST_INVALID"));
    let location = registry.upload("a");
    let put = registry.send("PUT", &format!("{location}?digest={promised}"), &[], b"other");
    assert_eq!((put.status, put.error().as_str()), (400, "DIGEST_INVALID"));
    for bytes in [&b"promised"[..], b"other"] {
        assert_eq!(registry.get(&format!("/v2/a/blobs/{}", Digest::of(bytes))).status, 404);
    }
    assert_eq!(registry.send("PUT", &registry.upload("a"), &[], b"x").status, 400);
}

#[test]
fn a_blob_is_mounted_from_a_repository_that_has_it_and_uploaded_otherwise() {
    let registry = Registry::start();
    let digest = registry.push_blob("from", b"shared");
    let mount = |from: &str| {
        let target = format!("/v2/to/blobs/uploads/?mount={digest}&from={from}");
        registry.send("POST", &target, &[], b"")
    };
    let absent = mount("elsewhere");
    assert_eq!(absent.status, 202);
    assert!(absent.header("location").is_some_and(|at| at.starts_with("/v2/to/blobs/uploads/")));
    assert_eq!(registry.get(&format!("/v2/to/blobs/{digest}")).status, 404);
    assert_eq!(mount("from").status, 201);
    assert_eq!(registry.get(&format!("/v2/to/blobs/{digest}")).body, b"shared");
}

#[test]
fn a_manifest_must_be_whole_honest_and_of_a_known_type() {
    let registry = Registry::start();
    registry.push_blob("a", b"{}");
    let bytes = manifest(b"layer", None);
    let early = registry.put("a", "1", &bytes);
    assert_eq!((early.status, early.error().as_str()), (400, "MANIFEST_BLOB_UNKNOWN"));
    registry.push_blob("a", b"layer");
    assert_eq!(registry.put("a", "1", &bytes).status, 201);
    let digest = Digest::of(b"another");
    let wrong = registry.put("a", &digest.to_string(), &bytes);
    assert_eq!((wrong.status, wrong.error().as_str()), (400, "DIGEST_INVALID"));

    let text = String::from_utf8(bytes).expect("JSON is text");
    let resized = text.replace("\"size\":5", "\"size\":6");
    let older = text.replace("\"schemaVersion\":2", "\"schemaVersion\":1");
    for bad in ["", "not json", "[]", "{}", &resized, &older] {
        let answer = registry.put("a", "2", bad.as_bytes());
        assert_eq!((answer.status, answer.error().as_str()), (400, "MANIFEST_INVALID"), "{bad}");
    }
    let typed = registry.send(
        "PUT",
        "/v2/a/manifests/2",
        &[("content-type", media::OCI_INDEX)],
        text.as_bytes(),
    );
    assert_eq!(typed.error(), "MANIFEST_INVALID");
    assert_eq!(registry.get("/v2/a/manifests/2").status, 404);
}

#[test]
fn an_index_needs_its_manifests() {
    let registry = Registry::start();
    let child = manifest(b"layer", None);
    let index = json!({
        "schemaVersion": 2,
        "mediaType": media::OCI_INDEX,
        "manifests": [descriptor(media::OCI_MANIFEST, &child)],
    })
    .to_string();
    assert_eq!(registry.put("a", "all", index.as_bytes()).status, 400);
    registry.push("a", "one", b"layer");
    assert_eq!(registry.put("a", "all", index.as_bytes()).status, 201);
    let got = registry.get("/v2/a/manifests/all");
    assert_eq!(got.header("content-type"), Some(media::OCI_INDEX));
    assert_eq!(got.body, index.as_bytes());
}

#[test]
fn a_tag_moves_and_the_old_manifest_stays_under_its_digest() {
    let registry = Registry::start();
    let old = registry.push("a", "latest", b"old");
    let new = registry.push("a", "latest", b"new");
    assert_eq!(registry.get("/v2/a/manifests/latest").body, new);
    assert_eq!(registry.get(&format!("/v2/a/manifests/{}", Digest::of(&old))).body, old);
}

#[test]
fn many_clients_that_push_the_same_thing_at_once_all_succeed() {
    let registry = Registry::start();
    let layer = vec![3; 300_000];
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (registry, layer) = (&registry, &layer);
            scope.spawn(move || {
                registry.push("same", "1", layer);
                registry.push(&format!("other/{number}"), "1", layer);
            });
        }
    });
    assert_eq!(registry.get("/v2/same/manifests/1").body, manifest(&layer, None));
    let names = registry.get("/v2/_catalog").json()["repositories"].as_array().map(Vec::len);
    assert_eq!(names, Some(9));
    assert_eq!(registry.get(&format!("/v2/same/blobs/{}", Digest::of(&layer))).body, layer);
}
