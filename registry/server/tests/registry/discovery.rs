//! Conformance: content discovery.

use longshore_reference::{Digest, media};
use serde_json::json;

use crate::wire::{Registry, manifest};

#[test]
fn tags_come_in_order_and_in_pages() {
    let registry = Registry::start();
    for tag in ["b", "a", "d", "c"] {
        registry.push("x/y", tag, b"layer");
    }
    let all = registry.get("/v2/x/y/tags/list");
    assert_eq!(all.json(), json!({ "name": "x/y", "tags": ["a", "b", "c", "d"] }));
    assert_eq!(all.header("link"), None);
    let first = registry.get("/v2/x/y/tags/list?n=3");
    assert_eq!(first.json()["tags"], json!(["a", "b", "c"]));
    let link = first.header("link").expect("there is more");
    let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
    let last = registry.get(next.expect("a link"));
    assert_eq!((last.json()["tags"].clone(), last.header("link")), (json!(["d"]), None));
    assert_eq!(registry.get("/v2/x/y/tags/list?n=0").json()["tags"], json!([]));
    assert_eq!(registry.get("/v2/x/y/tags/list?last=b").json()["tags"], json!(["c", "d"]));
    assert_eq!(registry.get("/v2/x/y/tags/list?n=-1").status, 400);
}

#[test]
fn the_catalog_has_every_repository_also_one_inside_another() {
    let registry = Registry::with(|config| config.limits.page = 2);
    for name in ["a", "a/b/c", "localhost"] {
        registry.push_blob(name, b"x");
    }
    let first = registry.get("/v2/_catalog?n=100");
    assert_eq!(first.json(), json!({ "repositories": ["a", "a/b/c"] }));
    assert!(first.header("link").is_some());
    assert_eq!(
        registry.get("/v2/_catalog?last=a/b/c").json()["repositories"],
        json!(["localhost"])
    );
}

#[test]
fn referrers_are_listed_filtered_and_gone_when_deleted() {
    let registry = Registry::start();
    let subject = registry.push("a", "1", b"layer");
    let target = format!("/v2/a/referrers/{}", Digest::of(&subject));
    let none = registry.get(&target);
    assert_eq!((none.status, none.header("content-type")), (200, Some(media::OCI_INDEX)));
    assert_eq!(none.json()["manifests"], json!([]));

    registry.push_blob("a", b"sbom");
    let plain = manifest(b"sbom", Some(&subject));
    let mut typed: serde_json::Value = serde_json::from_slice(&plain).expect("JSON");
    typed["artifactType"] = "application/x+json".into();
    typed["annotations"] = json!({ "k": "v" });
    let typed = typed.to_string().into_bytes();
    for bytes in [&plain, &typed] {
        let put = registry.put("a", &Digest::of(bytes).to_string(), bytes);
        assert_eq!(put.header("oci-subject"), Some(Digest::of(&subject).to_string().as_str()));
    }
    let all = registry.get(&target);
    assert_eq!(all.json()["manifests"].as_array().map(Vec::len), Some(2));
    assert_eq!(all.header("oci-filters-applied"), None);
    let some = registry.get(&format!("{target}?artifactType=application%2Fx%2Bjson"));
    assert_eq!(some.header("oci-filters-applied"), Some("artifactType"));
    let expected = json!([{
        "mediaType": media::OCI_MANIFEST,
        "digest": Digest::of(&typed),
        "size": typed.len(),
        "artifactType": "application/x+json",
        "annotations": { "k": "v" },
    }]);
    assert_eq!(some.json()["manifests"], expected);
    // Without an artifactType it is the config's media type.
    let empty = registry.get(&format!("{target}?artifactType={}", media::OCI_EMPTY));
    assert_eq!(empty.json()["manifests"][0]["digest"], json!(Digest::of(&plain)));

    let gone = format!("/v2/a/manifests/{}", Digest::of(&typed));
    assert_eq!(registry.send("DELETE", &gone, &[], b"").status, 202);
    assert_eq!(registry.get(&target).json()["manifests"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_subject_may_come_later_and_many_referrers_come_in_pages() {
    let registry = Registry::with(|config| config.limits.page = 2);
    let subject = manifest(b"never pushed", None);
    registry.push_blob("a", b"{}");
    let mut pushed = Vec::new();
    for number in 0..5_u8 {
        registry.push_blob("a", &[number]);
        let bytes = manifest(&[number], Some(&subject));
        assert_eq!(registry.put("a", &format!("t{number}"), &bytes).status, 201);
        pushed.push(Digest::of(&bytes).to_string());
    }
    let mut found = Vec::new();
    let mut next = Some(format!("/v2/a/referrers/{}", Digest::of(&subject)));
    while let Some(target) = next {
        let page = registry.get(&target);
        for entry in page.json()["manifests"].as_array().expect("a list") {
            found.push(entry["digest"].as_str().expect("a digest").to_owned());
        }
        let link = page.header("link").and_then(|link| link.strip_prefix('<')?.split_once('>'));
        next = link.map(|(target, _)| target.to_owned());
        assert!(found.len() <= 5);
    }
    pushed.sort();
    assert_eq!(found, pushed);
}
