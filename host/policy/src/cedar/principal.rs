//! Who asks: a component as a principal, with the groups that it is in. The ids of the groups are the
//! patterns that the rest of Longshore uses.

use std::fmt;

use cedar_policy_core::ast::EntityUID;
use longshore_reference::{Digest, Hasher, Source};

use super::condition::{Misnamed, eid};
use crate::rule::Target;
use crate::{Needs, Role};

/// What a component may be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum GroupKind {
    /// It itself, by its digest.
    Component,
    /// A file of that name, or `*`.
    File,
    /// What serves that interface: whole, without its version, or `namespace:package/*`.
    Interface,
    /// What is signed under that name, or by the key of that digest.
    Publisher,
    /// A repository, or `…/*` for those below.
    Repository,
    /// A tenant.
    Tenant,
}

impl GroupKind {
    const ALL: [Self; 6] = [
        Self::Component,
        Self::File,
        Self::Interface,
        Self::Publisher,
        Self::Repository,
        Self::Tenant,
    ];

    /// The entity type in the schema.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Component => "Component",
            Self::File => "File",
            Self::Interface => "Interface",
            Self::Publisher => "Publisher",
            Self::Repository => "Repository",
            Self::Tenant => "Tenant",
        }
    }
}

/// A group of components.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Group {
    pub(crate) kind: GroupKind,
    pub(crate) id: String,
}

impl Group {
    pub(crate) fn new(kind: GroupKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }

    /// The group that a pattern of rules stands for; none is every component.
    pub(crate) fn of_target(target: &Target) -> Option<Self> {
        Some(match target {
            Target::Any => return None,
            Target::File(name) => Self::new(GroupKind::File, name),
            Target::Repository(name) => Self::new(GroupKind::Repository, name),
            Target::Under(prefix) => Self::new(GroupKind::Repository, format!("{prefix}*")),
            Target::Interface(name) => Self::new(GroupKind::Interface, name),
        })
    }

    /// It as the rest of Longshore writes it.
    pub(crate) fn pattern(&self) -> String {
        match self.kind {
            GroupKind::File => format!("file:{}", self.id),
            _ => self.id.clone(),
        }
    }

    /// Reads an entity that a policy names as a principal or a group of them.
    pub(crate) fn read(uid: &EntityUID) -> Result<Self, Box<Misnamed>> {
        let fail = |reason: String, suggestion: Option<String>| {
            Box::new(Misnamed { entity: uid.clone(), reason, suggestion })
        };
        let name = uid.entity_type().to_string();
        let Some(kind) = GroupKind::ALL.into_iter().find(|kind| kind.as_str() == name) else {
            return Err(fail(format!("`{uid}` is no principal and no group of them"), None));
        };
        let id = eid(uid);
        let wanted = match kind {
            GroupKind::Component => {
                let digest = id.parse::<Digest>().map(|_| ());
                return match digest {
                    Ok(()) => Ok(Self::new(kind, id)),
                    Err(error) => Err(fail(error.to_string(), None)),
                };
            }
            GroupKind::Publisher | GroupKind::Tenant => {
                return match id.is_empty() {
                    true => Err(fail(format!("`{uid}` has no name"), None)),
                    false => Ok(Self::new(kind, id)),
                };
            }
            GroupKind::File => Target::parse(&format!("file:{id}")),
            GroupKind::Interface | GroupKind::Repository => Target::parse(id),
        };
        let wanted = wanted.map_err(|reason| fail(reason, None))?;
        match Self::of_target(&wanted) {
            Some(group) if group.kind == kind => Ok(group),
            Some(other) => Err(fail(
                format!("`{id}` does not name {}", kind.as_str().to_lowercase()),
                Some(format!("did you mean `{other}`?")),
            )),
            None => Err(fail(
                "`*` is no group".to_owned(),
                Some("leave the constraint out: write `principal`".to_owned()),
            )),
        }
    }
}

/// As a policy writes it.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.kind.as_str(), super::write::quoted(&self.id))
    }
}

/// A component as the one who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub(crate) digest: String,
    pub(crate) root: bool,
    pub(crate) interface: String,
    pub(crate) repository: String,
    pub(crate) registry: String,
    pub(crate) file: String,
    pub(crate) signed: bool,
    pub(crate) manifest: bool,
    groups: Vec<Group>,
    identity: Digest,
}

impl Principal {
    /// The component of `needs`, of the tenant `tenant` where there are tenants.
    #[must_use]
    pub fn new(needs: &Needs, tenant: &str) -> Self {
        let digest = needs.component.to_string();
        let mut groups = vec![Group::new(GroupKind::Component, &digest)];
        let mut principal = Self {
            root: needs.role == Role::Root,
            interface: String::new(),
            repository: String::new(),
            registry: String::new(),
            file: String::new(),
            signed: needs.signers.iter().any(|signer| signer.key.is_some()),
            manifest: needs.manifest.is_some(),
            groups: Vec::new(),
            identity: needs.component,
            digest,
        };
        match &needs.source {
            Source::File(name) => {
                groups.push(Group::new(GroupKind::File, "*"));
                groups.push(Group::new(GroupKind::File, name));
                principal.file.clone_from(name);
            }
            Source::Registry(reference) => {
                let name = reference.repository().to_string();
                let slashes = name.match_indices('/').map(|(at, _)| format!("{}*", &name[..=at]));
                groups.extend(slashes.map(|id| Group::new(GroupKind::Repository, id)));
                groups.push(Group::new(GroupKind::Repository, &name));
                principal.registry = reference.registry().unwrap_or_default().to_owned();
                principal.repository = name;
            }
        }
        if let Role::Dependency { interface } = &needs.role {
            let bare = interface.split('@').next().unwrap_or(interface);
            let package = bare.split('/').next().unwrap_or(bare);
            for id in [interface.clone(), bare.to_owned(), format!("{package}/*")] {
                groups.push(Group::new(GroupKind::Interface, id));
            }
            principal.interface.clone_from(interface);
        }
        for signer in needs.signers.iter() {
            let Some(key) = signer.key else { continue };
            groups.push(Group::new(GroupKind::Publisher, &signer.name));
            groups.push(Group::new(GroupKind::Publisher, key.to_string()));
        }
        if !tenant.is_empty() {
            groups.push(Group::new(GroupKind::Tenant, tenant));
        }
        groups.sort();
        groups.dedup();
        principal.groups = groups;
        principal.identity = principal.digested();
        principal
    }

    fn digested(&self) -> Digest {
        let mut hasher = Hasher::new();
        let mut add = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        for group in &self.groups {
            add(group.kind.as_str());
            add(&group.id);
        }
        add(&self.interface);
        add(match (self.signed, self.manifest) {
            (true, true) => "signed, manifest",
            (true, false) => "signed",
            (false, true) => "manifest",
            (false, false) => "",
        });
        hasher.finish()
    }

    /// What it is decided by: the same for components that no policy can tell apart.
    pub(crate) fn identity(&self) -> Digest {
        self.identity
    }

    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }

    pub(crate) fn is_in(&self, group: &Group) -> bool {
        self.groups.binary_search(group).is_ok()
    }

    /// Whether a policy must name it: a dependency whose author asks for nothing by itself.
    pub(crate) fn is_anonymous(&self) -> bool {
        !self.root && !self.manifest
    }
}
