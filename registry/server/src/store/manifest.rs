//! Manifests, tags and referrers of a repository.

use std::fs;
use std::io;
use std::path::PathBuf;

use longshore_reference::Digest;

use super::{Store, disk};
use crate::route::{Name, Tag, Which};

/// A manifest as it was pushed.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
}

/// Something that must be in the repository before a manifest that points at it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
    Blob { digest: Digest, size: u64 },
    Manifest { digest: Digest, size: u64 },
}

/// A manifest to be written.
#[derive(Debug)]
pub(crate) struct Write<'a> {
    pub(crate) manifest: &'a Stored,
    pub(crate) tag: Option<&'a Tag>,
    pub(crate) needs: &'a [Need],
    /// The subject, and the descriptor by which the manifest is listed among its referrers.
    pub(crate) referrer: Option<(Digest, Vec<u8>)>,
}

/// Why a manifest was not written.
#[derive(Debug)]
pub(crate) enum PutError {
    Missing(Digest),
    Size(Digest),
    Io(io::Error),
}

impl From<io::Error> for PutError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Store {
    fn manifest_link(&self, name: &Name, digest: Digest) -> PathBuf {
        self.repository(name).join("_manifests").join(digest.hex())
    }

    fn tag(&self, name: &Name, tag: &Tag) -> PathBuf {
        self.repository(name).join("_tags").join(tag.as_str())
    }

    fn referrers_of(&self, name: &Name, subject: Digest) -> PathBuf {
        self.repository(name).join("_referrers").join(subject.hex())
    }

    /// The digest under a name, if the repository has such a manifest.
    pub(crate) fn find(&self, name: &Name, which: &Which) -> io::Result<Option<Digest>> {
        let digest = match which {
            Which::Digest(digest) => *digest,
            Which::Tag(tag) => match disk::found(fs::read_to_string(self.tag(name, tag)))? {
                Some(text) => text.parse().map_err(io::Error::other)?,
                None => return Ok(None),
            },
        };
        Ok(self.manifest_link(name, digest).try_exists()?.then_some(digest))
    }

    /// A manifest, if the repository has it; its bytes are checked against the digest.
    pub(crate) fn manifest(&self, name: &Name, which: &Which) -> io::Result<Option<Stored>> {
        let Some(digest) = self.find(name, which)? else { return Ok(None) };
        let link = disk::found(fs::read_to_string(self.manifest_link(name, digest)))?;
        let Some(media_type) = link else { return Ok(None) };
        let bytes = fs::read(self.blob(digest))?;
        if Digest::of(&bytes) != digest {
            return Err(io::Error::other(format!("the bytes of `{digest}` on disk are damaged")));
        }
        Ok(Some(Stored { digest, media_type, bytes }))
    }

    fn check(&self, name: &Name, need: Need) -> Result<(), PutError> {
        let (digest, promised, size) = match need {
            Need::Blob { digest, size } => (digest, size, self.blob_size(name, digest)?),
            Need::Manifest { digest, size } => {
                let known = self.manifest_link(name, digest).try_exists()?;
                let metadata = disk::found(fs::metadata(self.blob(digest)))?;
                (digest, size, metadata.filter(|_| known).map(|metadata| metadata.len()))
            }
        };
        match size {
            None => Err(PutError::Missing(digest)),
            Some(size) if size != promised => Err(PutError::Size(digest)),
            Some(_) => Ok(()),
        }
    }

    /// Writes a manifest whose needs are met.
    pub(crate) fn put_manifest(&self, name: &Name, write: &Write<'_>) -> Result<(), PutError> {
        let manifest = write.manifest;
        let _change = self.change();
        for &need in write.needs {
            self.check(name, need)?;
        }
        self.write(&self.blob(manifest.digest), &manifest.bytes)?;
        if let Some((subject, descriptor)) = &write.referrer {
            let folder = self.referrers_of(name, *subject);
            self.write(&folder.join(manifest.digest.hex()), descriptor)?;
        }
        self.write(&self.manifest_link(name, manifest.digest), manifest.media_type.as_bytes())?;
        if let Some(tag) = write.tag {
            self.write(&self.tag(name, tag), manifest.digest.to_string().as_bytes())?;
        }
        Ok(())
    }

    /// Takes a tag, or a manifest with all its tags, from the repository; says whether it was
    /// there. `subject` reads the subject out of a manifest's bytes.
    pub(crate) fn remove_manifest(
        &self,
        name: &Name,
        which: &Which,
        subject: impl Fn(&[u8]) -> Option<Digest>,
    ) -> io::Result<bool> {
        let _change = self.change();
        let digest = match which {
            Which::Tag(tag) => return disk::remove(&self.tag(name, tag)),
            Which::Digest(digest) => *digest,
        };
        let Some(digest) = self.find(name, &Which::Digest(digest))? else { return Ok(false) };
        let tags = self.repository(name).join("_tags");
        let own = digest.to_string();
        for tag in disk::names(&tags)?.unwrap_or_default() {
            let path = tags.join(tag);
            if disk::found(fs::read(&path))?.is_some_and(|text| text == own.as_bytes()) {
                disk::remove(&path)?;
            }
        }
        disk::remove(&self.manifest_link(name, digest))?;
        let bytes = disk::found(fs::read(self.blob(digest)))?;
        if let Some(subject) = bytes.as_deref().and_then(subject) {
            disk::remove(&self.referrers_of(name, subject).join(digest.hex()))?;
        }
        Ok(true)
    }

    /// The descriptors of the manifests whose subject is `subject`, by digest and from after `last`
    /// on, until `enough` says so; with the digest (as hex) to go on from where there are more.
    pub(crate) fn referrers(
        &self,
        name: &Name,
        subject: Digest,
        last: &str,
        mut enough: impl FnMut(Vec<u8>) -> bool,
    ) -> io::Result<Option<String>> {
        let folder = self.referrers_of(name, subject);
        let names = disk::names(&folder)?.unwrap_or_default();
        let mut seen = None;
        for hex in names.iter().filter(|hex| hex.as_str() > last) {
            // Without its manifest the entry is what a crash left.
            if !self.repository(name).join("_manifests").join(hex).try_exists()? {
                continue;
            }
            if seen.is_some_and(|(_, full)| full) {
                return Ok(seen.map(|(hex, _): (&String, bool)| hex.clone()));
            }
            if let Some(descriptor) = disk::found(fs::read(folder.join(hex)))? {
                seen = Some((hex, enough(descriptor)));
            }
        }
        Ok(None)
    }
}
