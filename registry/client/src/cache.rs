//! The content-addressed cache on disk: blobs, manifests, what tags were last seen as, and
//! signatures. Knows no network.
//!
//! Files are written beside their place, synced and renamed, so that a reader sees all of one or
//! none. Nothing that is read is believed: content is hashed again, and what is damaged is removed.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use longshore_reference::{Candidate, Digest, Reference, Repository, canonical};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;

use crate::error::{Error, Result};

const PARTIAL: &str = ".partial-";
/// How old an unfinished file must be for its writer to be taken for dead.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// How much the cache holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Components.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Manifests.
    pub manifests: u64,
    /// Tags whose last known digest is kept.
    pub tags: u64,
    /// Artifacts whose signatures are kept.
    pub signatures: u64,
}

/// What an eviction removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Components.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Blob,
    Manifest,
    Tag,
    Signatures,
}

impl Kind {
    const fn folder(self) -> &'static str {
        match self {
            Self::Blob => "blobs",
            Self::Manifest => "manifests",
            Self::Tag => "tags",
            Self::Signatures => "signatures",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TagMemory {
    reference: Reference,
    digest: Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureMemory {
    of: Reference,
    candidates: Vec<StoredCandidate>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum StoredCandidate {
    Bundle(String),
    Legacy { payload: String, signature: String },
}

impl Cache {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn folder(&self, kind: Kind) -> PathBuf {
        self.root.join(kind.folder())
    }

    fn path(&self, kind: Kind, key: &Digest) -> PathBuf {
        self.folder(kind).join(key.hex())
    }

    pub(crate) fn failed(&self, source: io::Error) -> Error {
        let path = self.root.display().to_string();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::DiskFull { path, source }
            }
            _ => Error::Cache { path, source },
        }
    }

    /// The bytes of an entry, unchecked; `None` where there is none. Reads at most one byte past
    /// `limit`, which no digest of an entry within it survives.
    pub(crate) async fn read(
        &self,
        kind: Kind,
        key: &Digest,
        limit: u64,
    ) -> Result<Option<Vec<u8>>> {
        let file = match tokio::fs::File::open(self.path(kind, key)).await {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let known = file.metadata().await.map_or(0, |meta| meta.len()).min(limit);
        let mut bytes = Vec::with_capacity(usize::try_from(known).unwrap_or(0));
        let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes).await;
        read.map_err(|error| self.failed(error))?;
        Ok(Some(bytes))
    }

    /// The bytes of an entry that have its digest. A damaged entry is removed and counts as
    /// missing, or as an error if it cannot be had again because `offline`.
    pub(crate) async fn read_checked(
        &self,
        kind: Kind,
        key: &Digest,
        limit: u64,
        offline: bool,
    ) -> Result<Option<Vec<u8>>> {
        match self.read(kind, key, limit).await? {
            Some(bytes) if Digest::of(&bytes) == *key => Ok(Some(bytes)),
            None => Ok(None),
            Some(_) => {
                self.discard(kind, key, offline).await?;
                Ok(None)
            }
        }
    }

    /// Removes a damaged entry, with a warning.
    pub(crate) async fn discard(&self, kind: Kind, key: &Digest, offline: bool) -> Result<()> {
        tracing::warn!(digest = %key, kind = kind.folder(), "a damaged cache entry was removed");
        self.remove(kind, key).await?;
        if offline {
            return Err(Error::OfflineCorrupt { what: format!("`{key}`") });
        }
        Ok(())
    }

    pub(crate) async fn remove(&self, kind: Kind, key: &Digest) -> Result<bool> {
        match tokio::fs::remove_file(self.path(kind, key)).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// A file in the making beside the entries of `kind`; it is gone when dropped before
    /// [`Partial::keep`].
    pub(crate) async fn partial(&self, kind: Kind) -> Result<Partial> {
        let folder = self.folder(kind);
        let made = blocking(move || {
            std::fs::create_dir_all(&folder)?;
            let temp = tempfile::Builder::new().prefix(PARTIAL).tempfile_in(&folder)?;
            let file = tokio::fs::File::from_std(temp.as_file().try_clone()?);
            Ok(Partial { file, temp, folder })
        });
        made.await.map_err(|error| self.failed(error))
    }

    pub(crate) async fn write(&self, kind: Kind, key: &Digest, bytes: &[u8]) -> Result<()> {
        let mut partial = self.partial(kind).await?;
        let written = tokio::io::AsyncWriteExt::write_all(&mut partial.file, bytes).await;
        written.map_err(|error| self.failed(error))?;
        self.keep(partial, key).await
    }

    pub(crate) async fn keep(&self, partial: Partial, key: &Digest) -> Result<()> {
        partial.keep(key).await.map_err(|error| self.failed(error))
    }

    pub(crate) async fn remember_tag(&self, reference: &Reference, digest: Digest) -> Result<()> {
        let memory = TagMemory { reference: reference.clone(), digest };
        let bytes = canonical::to_vec(&memory).map_err(|error| self.failed(error.into()))?;
        self.write(Kind::Tag, &key_of(reference), &bytes).await
    }

    /// The digest that a tag was last seen with.
    pub(crate) async fn recall_tag(&self, reference: &Reference) -> Result<Option<Digest>> {
        let bytes = self.read(Kind::Tag, &key_of(reference), 4096).await?;
        let memory = bytes.and_then(|bytes| serde_json::from_slice::<TagMemory>(&bytes).ok());
        Ok(memory.filter(|memory| memory.reference == *reference).map(|memory| memory.digest))
    }

    /// The tags of a repository that were seen.
    pub(crate) async fn recall_tags(
        &self,
        repository: &Repository,
        limit: usize,
    ) -> Result<Vec<String>> {
        let (folder, repository) = (self.folder(Kind::Tag), repository.clone());
        let found = blocking(move || {
            let mut tags = Vec::new();
            for path in entries(&folder)? {
                let file = std::fs::File::open(&path)?;
                let mut bytes = Vec::new();
                io::Read::read_to_end(&mut io::Read::take(file, 4096), &mut bytes)?;
                let memory = serde_json::from_slice::<TagMemory>(&bytes).ok();
                let memory = memory.filter(|memory| *memory.reference.repository() == repository);
                tags.extend(memory.and_then(|memory| memory.reference.tag().map(str::to_owned)));
                if tags.len() >= limit {
                    break;
                }
            }
            tags.sort();
            Ok(tags)
        });
        found.await.map_err(|error| self.failed(error))
    }

    pub(crate) async fn write_candidates(&self, of: &Reference, found: &[Candidate]) -> Result<()> {
        let candidates = found.iter().map(|candidate| match candidate {
            Candidate::Bundle(bytes) => StoredCandidate::Bundle(STANDARD.encode(bytes)),
            Candidate::Legacy { payload, signature } => StoredCandidate::Legacy {
                payload: STANDARD.encode(payload),
                signature: signature.clone(),
            },
        });
        let memory = SignatureMemory { of: of.clone(), candidates: candidates.collect() };
        let bytes = canonical::to_vec(&memory).map_err(|error| self.failed(error.into()))?;
        self.write(Kind::Signatures, &key_of(of), &bytes).await
    }

    /// The signatures last seen for an artifact; damaged ones are removed and count as not seen.
    pub(crate) async fn candidates(
        &self,
        of: &Reference,
        limit: u64,
    ) -> Result<Option<Vec<Candidate>>> {
        let key = key_of(of);
        let Some(bytes) = self.read(Kind::Signatures, &key, limit).await? else { return Ok(None) };
        let memory = serde_json::from_slice::<SignatureMemory>(&bytes).ok();
        let memory = memory.filter(|memory| memory.of == *of);
        let candidates = memory.and_then(|memory| {
            memory.candidates.into_iter().map(candidate).collect::<Option<Vec<_>>>()
        });
        if candidates.is_none() {
            self.discard(Kind::Signatures, &key, false).await?;
        }
        Ok(candidates)
    }

    pub(crate) async fn stats(&self) -> Result<CacheStats> {
        let folders =
            [Kind::Blob, Kind::Manifest, Kind::Tag, Kind::Signatures].map(|kind| self.folder(kind));
        let counted = blocking(move || {
            let [blobs, manifests, tags, signatures] = &folders;
            let mut stats = CacheStats::default();
            for path in entries(blobs)? {
                stats.blobs += 1;
                stats.blob_bytes += length(&path);
            }
            stats.manifests = entries(manifests)?.len() as u64;
            stats.tags = entries(tags)?.len() as u64;
            stats.signatures = entries(signatures)?.len() as u64;
            Ok(stats)
        });
        counted.await.map_err(|error| self.failed(error))
    }

    pub(crate) async fn evict(&self, keep: u64) -> Result<Evicted> {
        let folder = self.folder(Kind::Blob);
        blocking(move || evict(&folder, keep)).await.map_err(|error| self.failed(error))
    }
}

/// A file in the making.
pub(crate) struct Partial {
    pub(crate) file: tokio::fs::File,
    temp: tempfile::NamedTempFile,
    folder: PathBuf,
}

impl Partial {
    async fn keep(mut self, key: &Digest) -> io::Result<()> {
        tokio::io::AsyncWriteExt::flush(&mut self.file).await?;
        self.file.sync_all().await?;
        let target = self.folder.join(key.hex());
        blocking(move || {
            self.temp.persist(&target).map_err(|error| error.error)?;
            std::fs::File::open(&self.folder)?.sync_all()
        })
        .await
    }
}

fn candidate(stored: StoredCandidate) -> Option<Candidate> {
    Some(match stored {
        StoredCandidate::Bundle(text) => Candidate::Bundle(STANDARD.decode(text).ok()?),
        StoredCandidate::Legacy { payload, signature } => {
            Candidate::Legacy { payload: STANDARD.decode(payload).ok()?, signature }
        }
    })
}

/// Under which name something about a reference is kept.
fn key_of(reference: &Reference) -> Digest {
    Digest::of(reference.to_string().as_bytes())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// The finished entries of a folder.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let listing = match std::fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in listing {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.len())
}

/// Removes the oldest blobs until at most `keep` bytes are left, and what dead writers left behind.
fn evict(folder: &Path, keep: u64) -> io::Result<Evicted> {
    let mut blobs = Vec::new();
    let mut total = 0;
    for path in entries(folder)? {
        // Another process may evict at the same time.
        let Ok(meta) = std::fs::metadata(&path) else { continue };
        total += meta.len();
        blobs.push((meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), meta.len(), path));
    }
    blobs.sort();
    let mut evicted = Evicted::default();
    for (_, bytes, path) in blobs {
        if total <= keep {
            break;
        }
        match std::fs::remove_file(&path) {
            Ok(()) => {
                evicted.blobs += 1;
                evicted.bytes += bytes;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        total -= bytes;
    }
    sweep(folder)?;
    Ok(evicted)
}

/// Removes partial files that are a day older than a new one: the file system's clock, not ours.
fn sweep(folder: &Path) -> io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    let probe = tempfile::Builder::new().prefix(PARTIAL).tempfile_in(folder)?;
    let now = probe.as_file().metadata()?.modified()?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let partial = entry.file_name().to_string_lossy().starts_with(PARTIAL);
        let modified = entry.metadata().and_then(|meta| meta.modified()).unwrap_or(now);
        if partial && now.duration_since(modified).is_ok_and(|age| age > ABANDONED) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_has_its_own_error() {
        let cache = Cache::new("/cache".into());
        for errno in [28, 122] {
            let error = cache.failed(io::Error::from_raw_os_error(errno));
            assert_eq!(error.code(), "LS-REG-028", "{error}");
        }
        assert_eq!(cache.failed(io::Error::from_raw_os_error(13)).code(), "LS-REG-029");
    }

    #[tokio::test]
    async fn eviction_removes_the_oldest_first_and_the_remains_of_dead_writers() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path().to_owned());
        let blobs = dir.path().join("blobs");
        let age = |path: &Path, days: u64| {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            let then = file.metadata().unwrap().modified().unwrap();
            file.set_modified(then - Duration::from_secs(days * 24 * 60 * 60)).unwrap();
        };
        for (content, days) in [(&b"old"[..], 2), (&b"new"[..], 0), (&b"older"[..], 3)] {
            let digest = Digest::of(content);
            cache.write(Kind::Blob, &digest, content).await.unwrap();
            age(&blobs.join(digest.hex()), days);
        }
        for (name, days) in [(".partial-dead", 2), (".partial-live", 0)] {
            std::fs::write(blobs.join(name), b"x").unwrap();
            age(&blobs.join(name), days);
        }
        assert_eq!(cache.evict(6).await.unwrap(), Evicted { blobs: 1, bytes: 5 });
        assert_eq!(cache.evict(4).await.unwrap(), Evicted { blobs: 1, bytes: 3 });
        let stats = cache.stats().await.unwrap();
        assert_eq!((stats.blobs, stats.blob_bytes), (1, 3));
        assert!(cache.read(Kind::Blob, &Digest::of(b"new"), 9).await.unwrap().is_some());
        assert!(!blobs.join(".partial-dead").exists() && blobs.join(".partial-live").exists());
    }
}
