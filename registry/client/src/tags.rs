//! Listing tags, page by page and bounded, and the highest version in a range.

use longshore_reference::{Repository, Resolved};
use reqwest::header::{self, HeaderMap};
use semver::{Version, VersionReq};
use serde::Deserialize;
use url::Url;

use crate::error::{Error, Result};
use crate::registry::Registry;
use crate::transport::{Call, Endpoint, Transport};

/// Tags asked for in one page.
const PAGE: &str = "1000";

#[derive(Deserialize)]
struct Page {
    /// `null` where a repository has none.
    tags: Option<Vec<String>>,
}

impl Registry {
    /// All tags of a repository, sorted; those under which signatures are kept (`sha256-…`) too.
    /// Offline, those that were resolved before.
    ///
    /// # Errors
    ///
    /// When there are more than the client's bound, and everything that can go wrong on the way to
    /// a registry.
    pub async fn tags(&self, repository: &Repository) -> Result<Vec<String>> {
        let endpoint = self.transport.endpoint(repository)?;
        let limit = self.sizes().tags;
        if self.is_offline() {
            return match &self.cache {
                Some(cache) => cache.recall_tags(repository, limit).await,
                None => Err(Error::Offline { what: format!("`{repository}`") }),
            };
        }
        let what = format!("the tags of `{repository}`");
        let mut url = endpoint.url("tags/list");
        url.query_pairs_mut().append_pair("n", PAGE);
        let mut tags: Vec<String> = Vec::new();
        loop {
            let call = Call::get(url.clone(), &what);
            let (headers, bytes) =
                self.transport.read(&endpoint, &call, self.sizes().manifest).await?;
            let page: Page =
                serde_json::from_slice(&bytes).map_err(|error| Error::BrokenAnswer {
                    host: endpoint.host.clone(),
                    what: what.clone(),
                    reason: error.to_string(),
                })?;
            let page = page.tags.unwrap_or_default();
            let is_empty = page.is_empty();
            tags.extend(page);
            if tags.len() > limit {
                return Err(Error::TooManyTags { repository: repository.to_string(), limit });
            }
            match next_page(&self.transport, &endpoint, &url, &headers)? {
                // An empty page that has a next one would never end.
                Some(next) if !is_empty => url = next,
                _ => break,
            }
        }
        tags.sort();
        tags.dedup();
        Ok(tags)
    }

    /// The highest version in `range` that a tag of `repository` names, resolved. Tags that are no
    /// semantic version do not count.
    ///
    /// # Errors
    ///
    /// When no tag matches, and as [`Registry::tags`] and [`Registry::resolve`].
    pub async fn resolve_version(
        &self,
        repository: &Repository,
        range: &VersionReq,
    ) -> Result<(Version, Resolved)> {
        let tags = self.tags(repository).await?;
        let versions = tags.iter().filter_map(|tag| Some((Version::parse(tag).ok()?, tag)));
        let highest = versions.filter(|(version, _)| range.matches(version)).max();
        let no_match =
            || Error::NoMatch { repository: repository.to_string(), range: range.to_string() };
        let (version, tag) = highest.ok_or_else(no_match)?;
        let reference = repository.clone().with_tag(tag).map_err(|_| no_match())?;
        Ok((version, self.resolve(&reference).await?))
    }
}

/// The page after this one (RFC 8288, `Link` with `rel="next"`): of the same registry, or refused.
pub(crate) fn next_page(
    transport: &Transport,
    endpoint: &Endpoint,
    from: &Url,
    headers: &HeaderMap,
) -> Result<Option<Url>> {
    let Some(text) = headers.get(header::LINK).and_then(|value| value.to_str().ok()) else {
        return Ok(None);
    };
    let target = text.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    let Some((target, parameters)) = target else { return Ok(None) };
    if !parameters.contains("next") {
        return Ok(None);
    }
    let Ok(url) = from.join(target) else { return Ok(None) };
    let url = transport.vet(endpoint, url)?;
    if url.origin() != from.origin() {
        return Err(Error::Redirect {
            host: endpoint.host.clone(),
            target: format!("{}://{}", url.scheme(), crate::transport::authority(&url)),
            reason: "the next page must be the registry's own",
        });
    }
    Ok(Some(url))
}
