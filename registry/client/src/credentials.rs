//! Credentials from docker's config file and its helpers. Knows no HTTP; secrets leave only as
//! [`Credential`].

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::config::ClientConfig;
use crate::error::{Error, Result};

/// The longest docker config and helper answer that is read.
const CONFIG_LIMIT: u64 = 1 << 20;
const HELPER_LIMIT: u64 = 64 << 10;

/// What a registry may be shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// User and password.
    Basic { user: String, secret: String },
    /// An OAuth2 refresh token.
    Identity(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic(…)",
            Self::Identity(_) => "Identity(…)",
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerConfig {
    #[serde(default)]
    auths: HashMap<String, Auth>,
    #[serde(default)]
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(default)]
    auth: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    identitytoken: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// The credential for the registry `host`, if there is one.
pub(crate) async fn lookup(config: &ClientConfig, host: &str) -> Result<Option<Credential>> {
    let fail = |reason: String| Error::Credentials { host: host.to_owned(), reason };
    let Some(path) = &config.docker_config else { return Ok(None) };
    let docker = match read(path).await.map_err(&fail)? {
        Some(docker) => docker,
        None => return Ok(None),
    };
    if let Some((server, helper)) = docker.cred_helpers.iter().find(|(key, _)| is_for(key, host)) {
        return ask_helper(config, helper, server).await.map_err(fail);
    }
    let inline = docker.auths.iter().find(|(key, _)| is_for(key, host));
    if let Some((_, auth)) = inline
        && let Some(credential) = from_auth(auth).map_err(&fail)?
    {
        return Ok(Some(credential));
    }
    if let Some(helper) = docker.creds_store.as_deref().filter(|name| !name.is_empty()) {
        let server = match inline {
            Some((key, _)) => key.as_str(),
            None if is_docker_hub(host) => "https://index.docker.io/v1/",
            None => host,
        };
        return ask_helper(config, helper, server).await.map_err(fail);
    }
    Ok(None)
}

async fn read(path: &Path) -> Result<Option<DockerConfig>, String> {
    let file: PathBuf = match tokio::fs::metadata(path).await {
        Ok(meta) if meta.is_dir() => path.join("config.json"),
        _ => path.to_owned(),
    };
    let shown = file.display();
    let handle = match tokio::fs::File::open(&file).await {
        Ok(handle) => handle,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("`{shown}` cannot be read ({})", error.kind())),
    };
    let mut bytes = Vec::new();
    let read = handle.take(CONFIG_LIMIT + 1).read_to_end(&mut bytes).await;
    read.map_err(|error| format!("`{shown}` cannot be read ({})", error.kind()))?;
    if bytes.len() as u64 > CONFIG_LIMIT {
        return Err(format!("`{shown}` is larger than {CONFIG_LIMIT} bytes"));
    }
    // Only the place is told: serde's message could quote a value, and values here are secrets.
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("`{shown}` is not a docker config (line {line}, column {column})")
    })
}

fn is_docker_hub(host: &str) -> bool {
    matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io")
}

/// Whether the entry `key` is about the whole of `host`: entries for a part of a registry are not
/// widened to all of it.
fn is_for(key: &str, host: &str) -> bool {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let (name, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !matches!(path.trim_end_matches('/'), "" | "v1" | "v2") {
        return false;
    }
    name.eq_ignore_ascii_case(host) || (is_docker_hub(name) && is_docker_hub(host))
}

fn from_auth(auth: &Auth) -> Result<Option<Credential>, String> {
    if let Some(token) = auth.identitytoken.as_ref().filter(|token| !token.is_empty()) {
        return Ok(Some(Credential::Identity(token.clone())));
    }
    if let Some(encoded) = auth.auth.as_ref().filter(|text| !text.is_empty()) {
        let lenient =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, lenient);
        let text = engine.decode(encoded.trim()).ok().and_then(|b| String::from_utf8(b).ok());
        let text = text.ok_or("its `auth` is not base64 text")?;
        let (user, secret) = text.split_once(':').ok_or("its `auth` is not `user:password`")?;
        // Docker pads old entries with NUL.
        let secret = secret.trim_end_matches('\0');
        return Ok(Some(Credential::Basic { user: user.to_owned(), secret: secret.to_owned() }));
    }
    match (&auth.username, &auth.password) {
        (Some(user), Some(secret)) if !user.is_empty() => {
            Ok(Some(Credential::Basic { user: user.clone(), secret: secret.clone() }))
        }
        _ => Ok(None),
    }
}

/// Runs `docker-credential-<name> get` with `server` on its standard input.
async fn ask_helper(
    config: &ClientConfig,
    name: &str,
    server: &str,
) -> Result<Option<Credential>, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if name.is_empty() || !name.bytes().all(plain) {
        return Err("the docker config names a credential helper that is not a plain name".into());
    }
    let program = format!("docker-credential-{name}");
    let limit = config.timeouts.helper;
    match tokio::time::timeout(limit, run_helper(config, &program, server)).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("`{program}` took longer than {} ms", limit.as_millis())),
    }
}

async fn run_helper(
    config: &ClientConfig,
    program: &str,
    server: &str,
) -> Result<Option<Credential>, String> {
    let mut command = match &config.helper_path {
        Some(path) => {
            let found = std::env::split_paths(path).map(|dir| dir.join(program));
            let found = found.into_iter().find(|file| file.is_file());
            let mut command = tokio::process::Command::new(
                found.ok_or_else(|| format!("`{program}` is not in the helper path"))?,
            );
            command.env("PATH", path);
            command
        }
        None => tokio::process::Command::new(program),
    };
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let spawned = command.kill_on_drop(true).spawn();
    let mut child =
        spawned.map_err(|error| format!("`{program}` does not start ({})", error.kind()))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else {
        return Err(format!("`{program}` has no standard input and output"));
    };
    // A helper that answers without reading its input closes the pipe: its answer still counts.
    let _ = stdin.write_all(server.as_bytes()).await;
    drop(stdin);
    let mut answer = Vec::new();
    let read = stdout.take(HELPER_LIMIT).read_to_end(&mut answer).await;
    read.map_err(|error| format!("`{program}` cannot be read ({})", error.kind()))?;
    let status = child.wait().await.map_err(|error| format!("`{program}`: {}", error.kind()))?;
    if !status.success() {
        let text = String::from_utf8_lossy(&answer);
        if text.contains("credentials not found") {
            return Ok(None);
        }
        return Err(format!("`{program}` failed ({status})"));
    }
    let answer: HelperAnswer = serde_json::from_slice(&answer)
        .map_err(|_| format!("`{program}` gave an answer that is not its JSON"))?;
    Ok(Some(if answer.username == "<token>" {
        Credential::Identity(answer.secret)
    } else {
        Credential::Basic { user: answer.username, secret: answer.secret }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_counts_for_its_own_registry_only() {
        for key in ["r.example", "https://r.example", "https://R.example/v2/", "http://r.example/"]
        {
            assert!(is_for(key, "r.example"), "{key}");
        }
        for key in ["r.example/team", "https://r.example/team", "x.r.example", "r.example:5000"] {
            assert!(!is_for(key, "r.example"), "{key}");
        }
        assert!(is_for("https://index.docker.io/v1/", "docker.io"));
    }

    #[test]
    fn the_auth_field_is_read_with_and_without_padding_and_shown_never() {
        for text in ["dTpwOmM=", "dTpwOmM"] {
            let auth = format!("{{\"auth\":\"{text}\"}}");
            let auth: Auth = serde_json::from_str(&auth).unwrap();
            let credential = from_auth(&auth).unwrap().unwrap();
            assert_eq!(credential, Credential::Basic { user: "u".into(), secret: "p:c".into() });
            assert_eq!(format!("{credential:?}"), "Basic(…)");
        }
        let auth: Auth = serde_json::from_str(r#"{"auth":"%%%"}"#).unwrap();
        assert!(from_auth(&auth).is_err());
    }
}
