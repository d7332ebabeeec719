//! The revision of the sources, from git: only where the whole work tree is exactly that revision.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

/// Which revision is recorded where the manifest states none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Revision {
    /// None.
    #[default]
    Omit,
    /// The commit of the git work tree that the folder is in, if that is clean; none otherwise.
    Git,
    /// This one.
    Named(String),
}

impl Revision {
    pub(crate) async fn find(&self, folder: &Path) -> Option<String> {
        match self {
            Self::Omit => None,
            Self::Named(name) => Some(name.clone()),
            Self::Git => head(folder).await,
        }
    }
}

async fn head(folder: &Path) -> Option<String> {
    let head = git(folder, &["rev-parse", "--verify", "HEAD"]).await?;
    let changes = git(folder, &["status", "--porcelain"]).await?;
    let is_commit =
        matches!(head.len(), 40 | 64) && head.bytes().all(|byte| byte.is_ascii_hexdigit());
    (changes.is_empty() && is_commit).then_some(head)
}

/// What git says; nothing if it is not there or fails.
async fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
