//! Signatures as others leave them: cosign's fallback tag with its wrong types, its legacy tag, and
//! junk in between.

use longshore_client::Registry;
use longshore_reference::{Candidate, Descriptor, Digest, media};
use serde_json::{Value, json};

use crate::hostile::{quick, reference};
use crate::hostile_server::{Answer, Server, manifest_of};

fn blob(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()})
}

fn signature(subject: &Digest, bundle: &[u8], media_type: &str) -> Vec<u8> {
    let subject = json!({"mediaType": media::OCI_MANIFEST, "digest": subject, "size": 1});
    let value = json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "subject": subject,
        "config": blob(media::OCI_EMPTY, b"{}"), "layers": [blob(media_type, bundle)],
    });
    value.to_string().into_bytes()
}

#[tokio::test]
async fn signatures_are_found_whatever_the_index_calls_them_and_junk_hides_none() {
    let subject = Digest::of(&manifest_of(b"honest", 6));
    let good = signature(&subject, b"bundle", media::SIGSTORE_BUNDLE);
    let other_subject = signature(&Digest::of(b"other"), b"bundle", media::SIGSTORE_BUNDLE);
    let sbom = signature(&subject, b"sbom", "application/spdx+json");
    let huge = vec![b'x'; (1 << 20) + 1];
    let large = signature(&subject, &huge, media::SIGSTORE_BUNDLE);
    let mut entry = blob(media::OCI_MANIFEST, &good);
    entry["artifactType"] = media::OCI_EMPTY.into();
    let index = json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": [
        {"mediaType": "x", "digest": "sha512:00", "size": 1}, 7,
        blob(media::OCI_MANIFEST, b"listed and not there"),
        blob(media::OCI_MANIFEST, &other_subject), blob(media::OCI_MANIFEST, &sbom),
        blob(media::OCI_MANIFEST, &large), entry,
    ]});
    let mut layer = blob(media::COSIGN_SIMPLE_SIGNING, b"payload");
    layer["annotations"] = json!({media::COSIGN_SIGNATURE: "MEUC"});
    let legacy = json!({
        "schemaVersion": 2, "config": blob(media::OCI_EMPTY, b"{}"), "layers": [layer],
    });
    let stored = [
        good,
        other_subject,
        sbom,
        large,
        b"bundle".to_vec(),
        b"payload".to_vec(),
        b"honest".to_vec(),
    ];
    let server = Server::start(move |request| {
        let name = request.target.rsplit('/').next().unwrap();
        let hex = subject.hex();
        match name {
            "1" => Answer::ok(&manifest_of(b"honest", 6)),
            _ if request.target.contains("/referrers/") => Answer::status(404),
            _ if name == format!("sha256-{hex}") => Answer::ok(index.to_string().as_bytes()),
            _ if name == format!("sha256-{hex}.sig") => Answer::ok(legacy.to_string().as_bytes()),
            _ => match stored.iter().find(|bytes| Digest::of(bytes).to_string() == name) {
                Some(bytes) => Answer::ok(bytes),
                None => Answer::status(404),
            },
        }
    })
    .await;
    let registry = Registry::new(quick(None));
    let resolved = registry.resolve(&reference(&server)).await.unwrap();
    let fetched = registry.fetch(&resolved).await.unwrap();
    assert_eq!(
        fetched.candidates(),
        [
            Candidate::Bundle(b"bundle".to_vec()),
            Candidate::Legacy { payload: b"payload".to_vec(), signature: "MEUC".into() },
        ]
    );
}

/// Takes every upload; keeps an index with one entry of someone else's, and says whether it keeps
/// referrers itself.
async fn taker(keeps_referrers: bool) -> Server {
    let written = std::sync::Mutex::new(
        json!({"schemaVersion": 2, "theirs": true, "manifests": [{"digest": "sha512:77"}]})
            .to_string()
            .into_bytes(),
    );
    Server::start(move |request| {
        let is_index = request.target.contains("/manifests/sha256-");
        match request.method.as_str() {
            "POST" => Answer::new(202, &[("location", "/v2/x/blobs/uploads/1?s=1")], b""),
            "PUT" if is_index => {
                written.lock().unwrap().clone_from(&request.body);
                Answer::status(201)
            }
            "PUT" if request.target.contains("/manifests/") && keeps_referrers => {
                Answer::new(201, &[("oci-subject", "sha256:0")], b"")
            }
            "PUT" => Answer::status(201),
            "GET" if is_index => Answer::ok(&written.lock().unwrap()),
            _ => Answer::status(404),
        }
    })
    .await
}

#[tokio::test]
async fn the_fallback_tag_is_kept_only_where_needed_and_keeps_the_entries_of_others() {
    let subject: Descriptor =
        serde_json::from_value(blob(media::OCI_MANIFEST, b"subject")).unwrap();
    for keeps_referrers in [true, false] {
        let server = taker(keeps_referrers).await;
        let repository = format!("{}/x", server.host).parse().unwrap();
        let registry = Registry::new(quick(None));
        let created = "2026-01-02T03:04:05Z";
        let attached = registry.attach(&repository, &subject, "{}!".into(), created).await.unwrap();
        let log = server.log();
        let index = log.iter().find(|r| r.line().starts_with("PUT /v2/x/manifests/sha256-"));
        assert_eq!(index.is_none(), keeps_referrers);
        let path = format!("PUT /v2/x/manifests/{attached}");
        let manifest = log.iter().find(|request| request.line() == path).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest.body).unwrap();
        assert_eq!(manifest["artifactType"], media::SIGSTORE_BUNDLE);
        assert_eq!(manifest["layers"][0]["mediaType"], media::SIGSTORE_BUNDLE);
        assert_eq!(manifest["config"], blob(media::OCI_EMPTY, b"{}"));
        assert_eq!(manifest["subject"]["digest"], subject.digest.to_string());
        assert_eq!(manifest["annotations"]["dev.sigstore.bundle.content"], "dsse-envelope");
        if let Some(index) = index {
            let index: Value = serde_json::from_slice(&index.body).unwrap();
            assert_eq!(
                (&index["theirs"], &index["manifests"][0]["digest"]),
                (&json!(true), &json!("sha512:77"))
            );
            assert_eq!(index["manifests"][1]["digest"], attached.to_string());
            assert_eq!(index["manifests"][1]["artifactType"], media::SIGSTORE_BUNDLE);
        }
    }
}
