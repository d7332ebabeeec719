//! The tools of others, run on a user's desk, and the registries that all of them speak to.

use std::path::PathBuf;
use std::process::Command;

use longshore_test_support::{servers, tools};
use serde_json::Value;

use crate::desk::{Desk, Said};

/// cosign, oras and crane.
pub(crate) struct Tools {
    cosign: PathBuf,
    oras: PathBuf,
    crane: PathBuf,
}

/// A registry to speak to.
pub(crate) struct Place {
    host: String,
    /// Whether it has the referrers API; where not, referrers are listed under a fallback tag.
    pub(crate) has_referrers: bool,
}

impl Place {
    /// A reference into it.
    pub(crate) fn reference(&self, rest: &str) -> String {
        format!("{}/{rest}", self.host)
    }
}

/// Checks something in the embedded registry and in Debian's `docker-registry`, each with a desk of
/// its own. Skipped where a tool is missing; that is said aloud.
pub(crate) fn everywhere(check: impl Fn(&Desk, &Place, &Tools)) {
    let Some(tools) = Tools::find() else { return };
    let embedded = servers::embedded_registry();
    let place = Place { host: embedded.address().to_string(), has_referrers: true };
    check(&Desk::new(), &place, &tools);
    let Some(docker) = servers::docker_registry() else { return };
    let place = Place { host: docker.address().to_string(), has_referrers: false };
    check(&Desk::new(), &place, &tools);
}

impl Tools {
    /// All three; `None` means: skip the test.
    pub(crate) fn find() -> Option<Self> {
        Some(Self {
            cosign: tools::find("cosign")?,
            oras: tools::find("oras")?,
            crane: tools::find("crane")?,
        })
    }

    /// Runs cosign, with the empty password for keys.
    pub(crate) fn cosign(&self, desk: &Desk, arguments: &[&str]) -> Said {
        let mut command = on(desk, &self.cosign);
        Said::of(command.env("COSIGN_PASSWORD", "").args(arguments).output().unwrap())
    }

    /// Runs oras, which must work.
    #[track_caller]
    pub(crate) fn oras(&self, desk: &Desk, arguments: &[&str]) -> String {
        worked(on(desk, &self.oras).args(arguments), arguments)
    }

    /// Runs crane, which must work.
    #[track_caller]
    pub(crate) fn crane(&self, desk: &Desk, arguments: &[&str]) -> String {
        worked(on(desk, &self.crane).arg("--insecure").args(arguments), arguments)
    }

    /// A manifest, as crane gets it.
    #[track_caller]
    pub(crate) fn manifest(&self, desk: &Desk, reference: &str) -> Value {
        serde_json::from_str(&self.crane(desk, &["manifest", reference])).unwrap()
    }

    /// Makes cosign's key pair `NAME.key` and `NAME.pub`.
    #[track_caller]
    pub(crate) fn cosign_key(&self, desk: &Desk, name: &str) {
        let said = self.cosign(desk, &["generate-key-pair", "--output-key-prefix", name]);
        assert_eq!(said.status, Some(0), "{said}");
    }

    /// Signs as cosign 3 does by default, without any service of Sigstore's.
    #[track_caller]
    pub(crate) fn cosign_sign(&self, desk: &Desk, key: &str, at: &str, annotations: &[&str]) {
        let config = "signing-config.json";
        if !desk.at(config).exists() {
            let said = self.cosign(desk, &["signing-config", "create", "--out", config]);
            assert_eq!(said.status, Some(0), "{said}");
        }
        let mut arguments = vec!["sign", "--key", key, "--signing-config", config, "--yes"];
        arguments.extend(annotations.iter().flat_map(|annotation| ["-a", annotation]));
        arguments.push(at);
        let said = self.cosign(desk, &arguments);
        assert_eq!(said.status, Some(0), "{said}");
    }

    /// Signs as cosign 2 did.
    #[track_caller]
    pub(crate) fn cosign_sign_legacy(
        &self,
        desk: &Desk,
        key: &str,
        at: &str,
        annotations: &[&str],
    ) {
        let mut arguments = vec![
            "sign",
            "--key",
            key,
            "--new-bundle-format=false",
            "--use-signing-config=false",
            "--tlog-upload=false",
            "--yes",
        ];
        arguments.extend(annotations.iter().flat_map(|annotation| ["-a", annotation]));
        arguments.push(at);
        let said = self.cosign(desk, &arguments);
        assert_eq!(said.status, Some(0), "{said}");
    }

    /// What cosign finds of signatures by `key` with these annotations.
    pub(crate) fn cosign_verify(
        &self,
        desk: &Desk,
        key: &str,
        at: &str,
        annotations: &[&str],
    ) -> Said {
        let mut arguments = vec!["verify", "--key", key, "--insecure-ignore-tlog=true"];
        arguments.extend(annotations.iter().flat_map(|annotation| ["-a", annotation]));
        arguments.push(at);
        self.cosign(desk, &arguments)
    }
}

/// A program of others: nothing of this machine's settings reaches it.
pub(crate) fn on(desk: &Desk, program: &PathBuf) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("HOME", desk.path()).current_dir(desk.at(""));
    command
}

#[track_caller]
fn worked(command: &mut Command, arguments: &[&str]) -> String {
    let said = Said::of(command.output().unwrap());
    assert_eq!(said.status, Some(0), "`{}`: {said}", arguments.join(" "));
    said.stdout
}
