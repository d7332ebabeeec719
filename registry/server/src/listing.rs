//! Lists: repositories, tags, referrers; a page at a time.

use http::StatusCode;
use longshore_reference::{Digest, media};
use serde_json::value::RawValue;

use crate::reply::{self, Code, Fault};
use crate::route::{Name, encode, query};
use crate::server::App;

/// A page of referrers stops growing at this size: an answer is a manifest, and clients cap those
/// at 4 MiB.
const REFERRERS_BYTES: usize = 2 << 20;

/// The entries that a query asks for, and the header that leads to the next page.
fn page(
    app: &App,
    entries: Vec<String>,
    parameters: Option<&str>,
    path: &str,
) -> reply::Result<(Vec<String>, Option<String>)> {
    let count = match query(parameters, "n") {
        None => app.limits.page,
        Some(text) => text.parse::<usize>().map_err(|_| {
            let message = "`n` is not a number of entries";
            Fault::new(StatusCode::BAD_REQUEST, Code::Unsupported, message)
        })?,
    };
    let count = count.min(app.limits.page);
    let last = query(parameters, "last").unwrap_or_default();
    let mut rest = entries.into_iter().filter(|entry| *entry > last);
    let page: Vec<String> = rest.by_ref().take(count).collect();
    let link = match (page.last(), rest.next()) {
        (Some(last), Some(_)) => {
            Some(format!("<{path}?n={count}&last={}>; rel=\"next\"", encode(last)))
        }
        _ => None,
    };
    Ok((page, link))
}

/// `GET /v2/_catalog`
pub(crate) async fn catalog(app: &App, parameters: Option<&str>) -> reply::Result {
    let names = app.disk("list the repositories", |store| store.repositories()).await?;
    let (page, link) = page(app, names, parameters, "/v2/_catalog")?;
    let document = serde_json::json!({ "repositories": page });
    Ok(linked(document.to_string(), link))
}

/// `GET /v2/<name>/tags/list`
pub(crate) async fn tags(app: &App, name: Name, parameters: Option<&str>) -> reply::Result {
    let of = name.clone();
    let tags = app.disk("list the tags", move |store| store.tags(&of)).await?.ok_or_else(|| {
        Fault::new(StatusCode::NOT_FOUND, Code::NameUnknown, "no such repository")
            .detail(name.as_str())
    })?;
    let (page, link) = page(app, tags, parameters, &format!("/v2/{}/tags/list", name.as_str()))?;
    let document = serde_json::json!({ "name": name.as_str(), "tags": page });
    Ok(linked(document.to_string(), link))
}

fn linked(document: String, link: Option<String>) -> reply::Reply {
    let mut reply = reply::document("application/json", document.into_bytes());
    if let Some(link) = link {
        reply::set(&mut reply, "link", link);
    }
    reply
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    artifact_type: Option<String>,
}

/// `GET /v2/<name>/referrers/<digest>`: an index, empty when there are none.
pub(crate) async fn referrers(
    app: &App,
    name: Name,
    subject: Digest,
    parameters: Option<&str>,
) -> reply::Result {
    let filter = query(parameters, "artifactType").filter(|text| !text.is_empty());
    let last = query(parameters, "last").unwrap_or_default();
    let (of, wanted, most) = (name.clone(), filter.clone(), app.limits.page);
    let (entries, next) = app
        .disk("list the referrers", move |store| {
            let (mut entries, mut size) = (Vec::<Box<RawValue>>::new(), 0);
            let next = store.referrers(&of, subject, &last, |bytes| {
                let entry = serde_json::from_slice::<Entry>(&bytes).ok();
                let artifact_type = entry.and_then(|entry| entry.artifact_type);
                if wanted.is_none() || artifact_type == wanted {
                    size += bytes.len();
                    entries.extend(serde_json::from_slice(&bytes).ok());
                }
                size > REFERRERS_BYTES || entries.len() >= most
            })?;
            Ok((entries, next))
        })
        .await?;
    let index = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media::OCI_INDEX,
        "manifests": entries,
    });
    let mut reply = reply::document(media::OCI_INDEX, index.to_string().into_bytes());
    if let Some(last) = next {
        let filter = filter.as_deref().map(|text| format!("&artifactType={}", encode(text)));
        let (name, filter) = (name.as_str(), filter.unwrap_or_default());
        let link = format!("</v2/{name}/referrers/{subject}?last={last}{filter}>; rel=\"next\"");
        reply::set(&mut reply, "link", link);
    }
    if filter.is_some() {
        reply::set(&mut reply, "oci-filters-applied", "artifactType");
    }
    Ok(reply)
}
