//! Answering a 401: Basic, or a token from the registry's realm (distribution token specification),
//! with or without credentials. The answer is kept for the next request in the same scope.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{self, HeaderValue};
use reqwest::{Method, Response};
use url::Url;

use super::challenge::{self, Challenge};
use super::{Call, Endpoint, Permission, Transport, is_loopback, is_named};
use crate::credentials::{self, Credential};
use crate::error::{Error, Result};

/// The longest answer of a token realm that is read.
const TOKEN_LIMIT: u64 = 64 << 10;

impl Transport {
    pub(super) fn granted(
        &self,
        endpoint: &Endpoint,
        permission: Permission,
    ) -> Option<HeaderValue> {
        let granted = self.granted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        granted.get(&(endpoint.host.clone(), scope(endpoint, permission))).cloned()
    }

    fn grant(&self, endpoint: &Endpoint, permission: Permission, value: HeaderValue) {
        let mut granted = self.granted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        granted.insert((endpoint.host.clone(), scope(endpoint, permission)), value);
    }

    /// Makes the next request of this kind carry what the registry asks for.
    pub(super) async fn authorise(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        response: &Response,
    ) -> Result<()> {
        let headers = response.headers().get_all(header::WWW_AUTHENTICATE);
        let texts = headers.iter().filter_map(|value| value.to_str().ok());
        let challenges: Vec<_> = texts.flat_map(challenge::parse).collect();
        let credential = self.credential(&endpoint.host).await?;
        let bearer = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer { realm, service } => Some((realm, service.as_deref())),
            Challenge::Basic => None,
        });
        let value = match (bearer, &credential) {
            (Some((realm, service)), credential) => {
                let realm = self.realm(endpoint, realm, credential.is_some())?;
                let scope = scope(endpoint, call.permission);
                let token = self.token(endpoint, realm, service, &scope, credential.as_ref());
                format!("Bearer {}", token.await?)
            }
            (None, Some(Credential::Basic { user, secret }))
                if challenges.contains(&Challenge::Basic) =>
            {
                basic(user, secret)
            }
            _ => {
                return Err(Error::Unauthenticated {
                    host: endpoint.host.clone(),
                    what: call.what.to_owned(),
                    message: String::new(),
                });
            }
        };
        let value = sensitive(&value).ok_or_else(|| Error::Credentials {
            host: endpoint.host.clone(),
            reason: "they have characters that cannot be sent".into(),
        })?;
        self.grant(endpoint, call.permission, value);
        Ok(())
    }

    async fn credential(&self, host: &str) -> Result<Option<Credential>> {
        let mut known = self.credentials.lock().await;
        if let Some(credential) = known.get(host) {
            return Ok(credential.clone());
        }
        let credential = credentials::lookup(&self.config, host).await?;
        known.insert(host.to_owned(), credential.clone());
        Ok(credential)
    }

    /// The realm, if it may be asked, with credentials if `secret`.
    fn realm(&self, endpoint: &Endpoint, text: &str, secret: bool) -> Result<Url> {
        let fail = |realm: &str, reason| Error::Realm {
            host: endpoint.host.clone(),
            realm: realm.to_owned(),
            reason,
        };
        let Ok(url) = Url::parse(text) else {
            return Err(fail("an unreadable realm", "it is not a URL"));
        };
        let place = format!("{}://{}", url.scheme(), super::authority(&url));
        let named = is_named(&self.config.token_hosts, &url);
        if !url.username().is_empty() || url.password().is_some() {
            return Err(fail(&place, "it carries credentials of its own"));
        }
        if is_loopback(&url) && !is_loopback(&endpoint.base) && !named {
            return Err(fail(&place, "a remote registry may not point to this machine"));
        }
        match url.scheme() {
            "https" => {}
            "http" if self.may_be_plain(&url) => {}
            _ => return Err(fail(&place, "it is not HTTPS")),
        }
        if secret && !named && !challenge::same_site(&endpoint.base, &url) {
            return Err(fail(&place, "credentials stay on the registry's own site"));
        }
        Ok(url)
    }

    async fn token(
        &self,
        endpoint: &Endpoint,
        mut realm: Url,
        service: Option<&str>,
        scope: &str,
        credential: Option<&Credential>,
    ) -> Result<String> {
        let what = "a token";
        let ours = form(scope, service, credential);
        let client = self.client(&realm).await?;
        let request = match credential {
            Some(Credential::Identity(_)) => client
                .request(Method::POST, realm.clone())
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(ours),
            other => {
                let query = realm.query().filter(|query| !query.is_empty());
                let query = query.map_or_else(|| ours.clone(), |query| format!("{query}&{ours}"));
                realm.set_query(Some(&query));
                let request = client.request(Method::GET, realm.clone());
                match other {
                    Some(Credential::Basic { user, secret }) => {
                        let value = sensitive(&basic(user, secret));
                        request.header(header::AUTHORIZATION, value.unwrap_or(EMPTY))
                    }
                    _ => request,
                }
            }
        };
        let response = request.send().await.map_err(|e| self.failed(&realm, what, e))?;
        if !response.status().is_success() {
            return Err(match self.refusal(endpoint, what, response).await {
                // Not to be taken for the absence of what the token is for.
                Error::NotFound { host, what } => {
                    Error::Status { host, status: 404, what, message: String::new() }
                }
                other => other,
            });
        }
        let body = self.body(&endpoint.host, what, response, TOKEN_LIMIT).await?;
        let answer = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&body);
        let answer = answer.ok().and_then(|map| {
            ["token", "access_token"]
                .iter()
                .find_map(|key| map.get(*key)?.as_str().map(str::to_owned))
        });
        answer.ok_or_else(|| Error::BrokenAnswer {
            host: endpoint.host.clone(),
            what: what.to_owned(),
            reason: "it is not JSON with a `token`".into(),
        })
    }
}

/// The parameters of a token request; those of an identity token belong into a body.
fn form(scope: &str, service: Option<&str>, credential: Option<&Credential>) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("scope", scope).append_pair("client_id", "longshore");
    service.map(|service| form.append_pair("service", service));
    if let Some(Credential::Identity(token)) = credential {
        form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token);
    }
    form.finish()
}

const EMPTY: HeaderValue = HeaderValue::from_static("");

/// `repository:<path>:<actions>`: the least that the request needs.
fn scope(endpoint: &Endpoint, permission: Permission) -> String {
    let actions = match permission {
        Permission::Pull => "pull",
        Permission::Push => "pull,push",
    };
    format!("repository:{}:{actions}", endpoint.repository)
}

fn basic(user: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{secret}")))
}

fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}
