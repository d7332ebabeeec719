//! Conformance: content management.

use longshore_reference::Digest;
use serde_json::json;

use crate::wire::Registry;

#[test]
fn deleting_a_tag_leaves_the_manifest_and_deleting_the_manifest_takes_its_tags() {
    let registry = Registry::start();
    let manifest = registry.push("a", "one", b"layer");
    registry.push("a", "two", b"layer");
    let other = registry.push("a", "other", b"other");
    let digest = Digest::of(&manifest);
    let delete = |name: &str| registry.send("DELETE", &format!("/v2/a/manifests/{name}"), &[], b"");
    assert_eq!(delete("one").status, 202);
    assert_eq!(delete("one").error(), "MANIFEST_UNKNOWN");
    assert_eq!(registry.get(&format!("/v2/a/manifests/{digest}")).status, 200);
    assert_eq!(delete(&digest.to_string()).status, 202);
    assert_eq!(registry.get(&format!("/v2/a/manifests/{digest}")).status, 404);
    assert_eq!(registry.get("/v2/a/manifests/two").status, 404);
    assert_eq!(registry.get("/v2/a/tags/list").json()["tags"], json!(["other"]));
    assert_eq!(registry.get("/v2/a/manifests/other").body, other);
}

#[test]
fn deleting_a_blob_takes_it_from_one_repository_only() {
    let registry = Registry::start();
    let digest = registry.push_blob("a", b"shared");
    registry.push_blob("b", b"shared");
    let target = format!("/v2/a/blobs/{digest}");
    assert_eq!(registry.send("DELETE", &target, &[], b"").status, 202);
    assert_eq!(registry.send("DELETE", &target, &[], b"").error(), "BLOB_UNKNOWN");
    assert_eq!(registry.get(&target).status, 404);
    assert_eq!(registry.get(&format!("/v2/b/blobs/{digest}")).body, b"shared");
}

#[test]
fn a_method_that_an_endpoint_does_not_have_is_405() {
    let registry = Registry::start();
    for target in ["/v2/", "/v2/_catalog", "/v2/a/tags/list", "/v2/a/blobs/uploads/"] {
        let answer = registry.send("DELETE", target, &[], b"");
        assert_eq!((answer.status, answer.error().as_str()), (405, "UNSUPPORTED"), "{target}");
        assert!(answer.header("allow").is_some());
    }
}
