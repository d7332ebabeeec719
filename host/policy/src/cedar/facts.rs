//! What a policy may ask about: the principal, the circumstances, and what is known of all the uses
//! that a scope covers.

use std::cell::OnceCell;

use cedar_policy_core::ast::{
    Context, Entity, EntityUID, EntityUIDEntry, Expr, Literal, Request, RestrictedExpr, Value,
    ValueKind, Var,
};
use cedar_policy_core::entities::{Entities, NoEntitiesSchema, TCComputation};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;
use longshore_model::{CapabilityKind, HostPattern, Scope};

use super::{Circumstances, Principal, Text, Truth, resource};

/// What policies call the attributes of the principal, the context and the resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    Digest,
    Role,
    Interface,
    Repository,
    Registry,
    File,
    Signed,
    Manifest,
    Environment,
    Label,
    Tenant,
    Time,
    Wildcard,
    /// The resource as a whole.
    Id,
    /// An attribute of the resource.
    Of(resource::Attribute),
}

/// What is known of an attribute.
pub(crate) enum Known<'k> {
    /// A text, or the id of an enumerated entity.
    Text(Text<'k>),
    /// A number; none where it is not the same for all uses.
    Number(Option<i64>),
    /// A truth value; none where it is not the same for all uses.
    Flag(Option<bool>),
    /// Something that only Cedar understands; whether it is the same for all uses.
    Other(bool),
}

impl Known<'_> {
    /// Whether it is the same for all uses.
    pub(crate) fn is_one(&self) -> bool {
        match self {
            Self::Text(text) => text.only().is_some(),
            Self::Number(number) => number.is_some(),
            Self::Flag(flag) => flag.is_some(),
            Self::Other(one) => *one,
        }
    }
}

impl Attribute {
    /// The attribute that the schema calls `name`.
    pub(crate) fn read(var: Var, name: &str) -> Option<Self> {
        Some(match (var, name) {
            (Var::Principal, "digest") => Self::Digest,
            (Var::Principal, "role") => Self::Role,
            (Var::Principal, "interface") => Self::Interface,
            (Var::Principal, "repository") => Self::Repository,
            (Var::Principal, "registry") => Self::Registry,
            (Var::Principal, "file") => Self::File,
            (Var::Principal, "signed") => Self::Signed,
            (Var::Principal, "manifest") => Self::Manifest,
            (Var::Context, "environment") => Self::Environment,
            (Var::Context, "label") => Self::Label,
            (Var::Context, "tenant") => Self::Tenant,
            (Var::Context, "time") => Self::Time,
            (Var::Context, "wildcard") => Self::Wildcard,
            (Var::Resource, name) => Self::Of(resource::Attribute::read(name)?),
            _ => return None,
        })
    }
}

/// Everything that a policy may ask about one scope.
pub(crate) struct Facts<'f> {
    pub(crate) principal: &'f Principal,
    pub(crate) circumstances: &'f Circumstances,
    pub(crate) scope: &'f Scope,
    pub(crate) kind: CapabilityKind,
    /// The names that may lead to private addresses.
    private: &'f [HostPattern],
    entities: OnceCell<Option<Entities>>,
}

impl<'f> Facts<'f> {
    pub(crate) fn new(
        principal: &'f Principal,
        circumstances: &'f Circumstances,
        scope: &'f Scope,
        private: &'f [HostPattern],
    ) -> Self {
        let (kind, entities) = (scope.kind(), OnceCell::new());
        Self { principal, circumstances, scope, kind, private, entities }
    }

    pub(crate) fn known(&self, attribute: Attribute) -> Known<'_> {
        let principal = self.principal;
        let text = |text: &'f str| Known::Text(Text::is(text));
        match attribute {
            Attribute::Digest => text(&principal.digest),
            Attribute::Role => text(if principal.root { "root" } else { "dependency" }),
            Attribute::Interface => text(&principal.interface),
            Attribute::Repository => text(&principal.repository),
            Attribute::Registry => text(&principal.registry),
            Attribute::File => text(&principal.file),
            Attribute::Signed => Known::Flag(Some(principal.signed)),
            Attribute::Manifest => Known::Flag(Some(principal.manifest)),
            Attribute::Environment => text(self.circumstances.environment.as_str()),
            Attribute::Label => text(&self.circumstances.label),
            Attribute::Tenant => text(&self.circumstances.tenant),
            Attribute::Time => Known::Other(true),
            Attribute::Wildcard => Known::Flag(Some(resource::is_wildcard(self.scope))),
            Attribute::Id => Known::Other(false),
            Attribute::Of(resource::Attribute::Private) => Known::Flag(self.is_private()),
            Attribute::Of(attribute) => attribute.of(self.scope),
        }
    }

    /// Whether the uses may lead to private addresses: because of what the host is, or because the
    /// operator lets its name do so.
    fn is_private(&self) -> Option<bool> {
        let met = |own: &HostPattern| resource::host_within(self.scope, own);
        let named = self.private.iter().map(met).fold(Truth::No, |found, one| found.or(|| one));
        match (resource::is_private(self.scope), named) {
            (true, _) | (_, Truth::Yes) => Some(true),
            (false, Truth::No) => Some(false),
            _ => None,
        }
    }

    /// Whether the uses are within `scope`.
    pub(crate) fn within(&self, scope: &Scope) -> Truth {
        resource::within(self.scope, scope)
    }

    /// Asks Cedar's own evaluator, unless what is read differs from use to use.
    pub(crate) fn ask_cedar(&self, expr: &Expr, reads: &[Attribute]) -> Truth {
        if !reads.iter().all(|attribute| self.known(*attribute).is_one()) {
            return Truth::Fails;
        }
        let entities = self.entities.get_or_init(|| self.entities());
        let (Some(entities), Some(request)) = (entities, self.request()) else {
            return Truth::Fails;
        };
        let evaluator = Evaluator::new(request, entities, Extensions::all_available());
        match evaluator.interpret(expr, &std::collections::HashMap::new()) {
            Ok(Value { value: ValueKind::Lit(Literal::Bool(value)), .. }) => Truth::known(value),
            _ => Truth::Fails,
        }
    }

    /// The question as Cedar puts it.
    pub(crate) fn request(&self) -> Option<Request> {
        let one = |(name, attribute): (&str, Attribute)| {
            Some((name.into(), self.known(attribute).expression(name)?))
        };
        let mut context: Vec<_> = [
            ("environment", Attribute::Environment),
            ("label", Attribute::Label),
            ("tenant", Attribute::Tenant),
            ("wildcard", Attribute::Wildcard),
        ]
        .into_iter()
        .filter_map(one)
        .collect();
        let time = RestrictedExpr::call_extension_fn(
            "datetime".parse().ok()?,
            [RestrictedExpr::val(self.circumstances.time())],
        );
        context.push(("time".into(), time));
        let context = Context::from_pairs(context, Extensions::all_available()).ok()?;
        Some(Request::new_unchecked(
            EntityUIDEntry::from(uid("Component", &self.principal.digest)?),
            EntityUIDEntry::from(uid("Action", self.kind.as_str())?),
            EntityUIDEntry::from(resource::uid(self.scope)?),
            Some(context),
        ))
    }

    /// The principal, the action and the resource, with what is known of them.
    pub(crate) fn entities(&self) -> Option<Entities> {
        let one = |(name, attribute): (&str, Attribute)| {
            Some((name.into(), self.known(attribute).expression(name)?))
        };
        let principal = [
            ("digest", Attribute::Digest),
            ("role", Attribute::Role),
            ("interface", Attribute::Interface),
            ("repository", Attribute::Repository),
            ("registry", Attribute::Registry),
            ("file", Attribute::File),
            ("signed", Attribute::Signed),
            ("manifest", Attribute::Manifest),
        ];
        let groups = self.principal.groups().iter();
        let groups = groups.map(|group| uid(group.kind.as_str(), &group.id));
        let all = Extensions::all_available();
        let principal = Entity::new(
            uid("Component", &self.principal.digest)?,
            principal.into_iter().filter_map(one),
            Default::default(),
            groups.collect::<Option<_>>()?,
            [],
            all,
        )
        .ok()?;
        let resource = Entity::new(
            resource::uid(self.scope)?,
            resource::expressions(self.scope, self.is_private()),
            Default::default(),
            Default::default(),
            [],
            all,
        )
        .ok()?;
        let groups = resource::groups_of(self.kind).iter().map(|name| uid("Action", name));
        let action = Entity::new(
            uid("Action", self.kind.as_str())?,
            [],
            Default::default(),
            groups.collect::<Option<_>>()?,
            [],
            all,
        )
        .ok()?;
        Entities::from_entities(
            [principal, action, resource],
            None::<&NoEntitiesSchema>,
            TCComputation::AssumeAlreadyComputed,
            all,
        )
        .ok()
    }
}

impl Known<'_> {
    /// As Cedar writes it, where it is one value; `name` is the attribute's.
    pub(crate) fn expression(&self, name: &str) -> Option<RestrictedExpr> {
        Some(match self {
            Self::Text(text) => {
                let text = text.only()?;
                match resource::enumeration(name) {
                    Some(kind) => RestrictedExpr::val(uid(kind, text)?),
                    None => RestrictedExpr::val(text),
                }
            }
            Self::Number(number) => RestrictedExpr::val((*number)?),
            Self::Flag(flag) => RestrictedExpr::val((*flag)?),
            Self::Other(_) => return None,
        })
    }
}

/// The entity `kind::"id"`.
pub(crate) fn uid(kind: &str, id: &str) -> Option<EntityUID> {
    EntityUID::with_eid_and_type(kind, id).ok()
}
