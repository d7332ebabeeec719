//! What is asked for: scopes as Cedar's resources, and what is known of the attributes of all the
//! uses that a scope covers. The one place that maps kinds of capability to the schema.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cedar_policy_core::ast::{EntityUID, RestrictedExpr};
use longshore_model::{Access, CapabilityKind, Scope};
use longshore_reference::authored::{closest, did_you_mean};
use longshore_reference::{ExecScope, HostPattern};

use super::condition::{Misnamed, eid};
use super::facts::{Known, uid as entity};
use super::{Kinds, Text, Truth, write};

/// The attributes of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    Access,
    Arguments,
    Host,
    Ip,
    Method,
    Name,
    Path,
    Port,
    Private,
    Program,
    Scheme,
}

const ATTRIBUTES: [(&str, Attribute); 11] = [
    ("access", Attribute::Access),
    ("arguments", Attribute::Arguments),
    ("host", Attribute::Host),
    ("ip", Attribute::Ip),
    ("method", Attribute::Method),
    ("name", Attribute::Name),
    ("path", Attribute::Path),
    ("port", Attribute::Port),
    ("private", Attribute::Private),
    ("program", Attribute::Program),
    ("scheme", Attribute::Scheme),
];

impl Attribute {
    /// The attribute that the schema calls `name`.
    pub(crate) fn read(name: &str) -> Option<Self> {
        ATTRIBUTES.iter().find(|(own, _)| *own == name).map(|(_, attribute)| *attribute)
    }

    /// What is known of it for all uses of `scope`. The validator has made sure that the kind has it.
    pub(crate) fn of(self, scope: &Scope) -> Known<'_> {
        let number = |port: Option<u16>| Known::Number(port.map(i64::from));
        match (self, scope) {
            (Self::Access, Scope::Dir { access, .. }) => Known::Text(accesses(*access, true)),
            (Self::Access, Scope::Keyvalue { access, .. } | Scope::Blobstore { access, .. }) => {
                Known::Text(accesses(*access, false))
            }
            (
                Self::Name,
                Scope::Env(name)
                | Scope::Secret(name)
                | Scope::Reveal(name)
                | Scope::Keyvalue { name, .. }
                | Scope::Blobstore { name, .. },
            ) => Known::Text(Text::is(name)),
            (Self::Path, Scope::Dir { path, .. } | Scope::Scratch(path)) => {
                Known::Text(Text::is(path))
            }
            (Self::Path, Scope::Http(http)) => Known::Text(Text::starting(http.path())),
            (Self::Scheme, Scope::Http(http)) => Known::Text(Text::is(http.scheme())),
            (Self::Port, Scope::Http(http)) => number(http.port()),
            (Self::Port, Scope::Tcp(net) | Scope::Udp(net) | Scope::Listen(net)) => {
                number(net.port())
            }
            (Self::Method, Scope::Http(http)) => {
                let methods: Vec<_> = http.methods().map(Into::into).collect();
                Known::Text(if methods.is_empty() { Text::any() } else { Text::OneOf(methods) })
            }
            (Self::Program, Scope::Exec(exec)) => Known::Text(Text::is(exec.program())),
            (Self::Arguments, Scope::Exec(exec)) => Known::Text(arguments(exec)),
            (Self::Host | Self::Ip, scope) => match host(scope) {
                Some(host) => self.of_host(host),
                None => Known::Other(false),
            },
            _ => Known::Other(false),
        }
    }

    fn of_host(self, host: &str) -> Known<'_> {
        match (self, host.strip_prefix('*')) {
            (Self::Host, None) => Known::Text(Text::is(host)),
            (Self::Host, Some("")) => Known::Text(Text::any()),
            (Self::Host, Some(tail)) => Known::Text(Text::label_before(tail)),
            // A name has no address to policies, and neither have those below a domain.
            (_, wildcard) => Known::Other(wildcard != Some("")),
        }
    }
}

fn accesses(most: Access, create: bool) -> Text<'static> {
    let all = [Access::ReadOnly, Access::Create, Access::ReadWrite].into_iter();
    let those = all.filter(|access| *access <= most && (create || *access != Access::Create));
    Text::OneOf(those.map(|access| access.as_str().into()).collect())
}

fn arguments(exec: &ExecScope) -> Text<'static> {
    let known = exec.arguments().iter().take_while(|a| !matches!(a.as_str(), "*" | "**"));
    let known: Vec<_> = known.map(String::as_str).collect();
    match known.len() == exec.arguments().len() {
        true => Text::is(known.join(" ")),
        false => Text::starting(known.join(" ")),
    }
}

/// The host pattern of a scope.
fn host(scope: &Scope) -> Option<&str> {
    match scope {
        Scope::Http(http) => Some(http.host()),
        Scope::Tcp(net) | Scope::Udp(net) | Scope::Listen(net) => Some(net.host().as_str()),
        Scope::Dns(host) => Some(HostPattern::as_str(host)),
        _ => None,
    }
}

fn address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?.parse().ok().map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    }
}

/// Whether the host is this machine or one of a private network, as far as its text says it. What a
/// wildcard stands for never leads to a private address.
pub(crate) fn is_private(scope: &Scope) -> bool {
    let Some(host) = host(scope) else { return false };
    match address(host) {
        Some(IpAddr::V4(address)) => is_private_v4(address),
        Some(IpAddr::V6(address)) => is_private_v6(address),
        None => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// Whether the hosts of the scope are among `own`.
pub(crate) fn host_within(scope: &Scope, own: &HostPattern) -> Truth {
    let Some(host) = host(scope).and_then(|host| host.parse::<HostPattern>().ok()) else {
        return Truth::No;
    };
    match host.intersect(own) {
        None => Truth::No,
        Some(both) if both == host => Truth::Yes,
        Some(_) => Truth::Partly,
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_unspecified()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let translated = address.to_ipv4().or_else(|| match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    });
    address.is_loopback()
        || address.is_unspecified()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || translated.is_some_and(is_private_v4)
}

/// The entity type of the resources of `kind`.
pub(crate) const fn type_of(kind: CapabilityKind) -> &'static str {
    match kind {
        CapabilityKind::Clock => "Clock",
        CapabilityKind::Random => "Random",
        CapabilityKind::Env => "Env",
        CapabilityKind::Dir => "Dir",
        CapabilityKind::Http => "Http",
        CapabilityKind::Scratch => "Scratch",
        CapabilityKind::Tcp => "Tcp",
        CapabilityKind::Udp => "Udp",
        CapabilityKind::Dns => "Dns",
        CapabilityKind::Listen => "Listen",
        CapabilityKind::Keyvalue => "Keyvalue",
        CapabilityKind::Blobstore => "Blobstore",
        CapabilityKind::Secret => "Secret",
        CapabilityKind::Reveal => "Reveal",
        CapabilityKind::Exec => "Exec",
    }
}

/// The kind whose resources are of that entity type; none for other types.
pub(crate) fn kind_of_type(name: &str) -> Kinds {
    let kind = CapabilityKind::ALL.into_iter().find(|kind| type_of(*kind) == name);
    kind.map(Kinds::one).unwrap_or_default()
}

/// The groups of actions that the action of `kind` is in.
pub(crate) const fn groups_of(kind: CapabilityKind) -> &'static [&'static str] {
    match kind {
        CapabilityKind::Clock | CapabilityKind::Random | CapabilityKind::Env => &["ambient"],
        CapabilityKind::Dir
        | CapabilityKind::Scratch
        | CapabilityKind::Keyvalue
        | CapabilityKind::Blobstore => &["storage"],
        CapabilityKind::Http
        | CapabilityKind::Tcp
        | CapabilityKind::Udp
        | CapabilityKind::Dns
        | CapabilityKind::Listen => &["network"],
        CapabilityKind::Secret | CapabilityKind::Reveal => &["secrets"],
        CapabilityKind::Exec => &[],
    }
}

/// The kinds that an action, or a group of them, stands for.
pub(crate) fn kinds_of_action(name: &str) -> Kinds {
    let those = CapabilityKind::ALL.into_iter();
    let those = those.filter(|kind| kind.as_str() == name || groups_of(*kind).contains(&name));
    those.fold(Kinds::default(), |kinds, kind| kinds.or(Kinds::one(kind)))
}

/// The enumerated entity type of the attribute `name`, if it is one.
pub(crate) fn enumeration(name: &str) -> Option<&'static str> {
    Some(match name {
        "access" => "Access",
        "environment" => "Environment",
        "role" => "Role",
        "scheme" => "Scheme",
        _ => return None,
    })
}

/// A scope without the word of its kind; none where it has nothing else.
pub(crate) fn value(scope: &Scope) -> Option<String> {
    scope.to_string().split_once('=').map(|(_, value)| value.to_owned())
}

/// The scope as a policy writes it after `resource`.
pub(crate) fn written(scope: &Scope) -> String {
    match value(scope) {
        Some(value) => format!(" in {}::{}", type_of(scope.kind()), write::quoted(&value)),
        None => String::new(),
    }
}

/// The resource's own entity.
pub(crate) fn uid(scope: &Scope) -> Option<EntityUID> {
    let id = value(scope).unwrap_or_else(|| scope.to_string());
    entity(type_of(scope.kind()), &id)
}

/// The attributes of the resource that are the same for all uses, as Cedar writes them; `private` is
/// told by the facts.
pub(crate) fn expressions<K: for<'n> From<&'n str>>(
    scope: &Scope,
    private: Option<bool>,
) -> Vec<(K, RestrictedExpr)> {
    let mut those: Vec<(K, RestrictedExpr)> = Vec::new();
    if let (Some(_), Some(private)) = (host(scope), private) {
        those.push((K::from("private"), RestrictedExpr::val(private)));
    }
    for (name, attribute) in ATTRIBUTES {
        if let Some(expression) = attribute.of(scope).expression(name) {
            those.push((K::from(name), expression));
        }
    }
    let address = host(scope).and_then(address).map(|address| address.to_string());
    if let Some(address) = address
        && let Ok(name) = "ip".parse()
    {
        let call = RestrictedExpr::call_extension_fn(name, [RestrictedExpr::val(address)]);
        those.push((K::from("ip"), call));
    }
    those
}

/// The scope that a policy names as an entity.
pub(crate) fn read_scope(uid: &EntityUID) -> Result<Scope, Box<Misnamed>> {
    let fail = |reason: String, suggestion: Option<String>| {
        Box::new(Misnamed { entity: uid.clone(), reason, suggestion })
    };
    let name = uid.entity_type().to_string();
    let Some(kind) = kind_of_type(&name).only() else {
        let near = closest(&name, CapabilityKind::ALL.map(type_of)).map(did_you_mean);
        return Err(fail(format!("`{uid}` is no resource"), near));
    };
    if matches!(kind, CapabilityKind::Clock | CapabilityKind::Random) {
        let mend = "write `resource` alone".to_owned();
        return Err(fail(format!("`{kind}` has no scopes"), Some(mend)));
    }
    Scope::of(kind, Some(eid(uid))).map_err(|error| fail(error.to_string(), None))
}

/// A scope as after `--allow`, without what only an operator says of it.
pub(crate) fn parse_scope(text: &str) -> Result<Scope, String> {
    text.parse().map_err(|error: longshore_model::ScopeError| error.to_string())
}

/// Whether the scope covers one use, so that a resource may be equal to it.
pub(crate) fn is_one_use(scope: &Scope) -> bool {
    match scope {
        Scope::Env(_) | Scope::Scratch(_) | Scope::Secret(_) | Scope::Reveal(_) => true,
        Scope::Dns(host) => host.is_exact(),
        Scope::Exec(exec) => arguments(exec).only().is_some(),
        _ => false,
    }
}

/// Whether a wildcard stands in it for a host, a port or any number of arguments.
pub(crate) fn is_wildcard(scope: &Scope) -> bool {
    let host = host(scope).is_some_and(|host| host.contains('*'));
    let port = match scope {
        Scope::Http(http) => http.port().is_none(),
        Scope::Tcp(net) | Scope::Udp(net) | Scope::Listen(net) => net.port().is_none(),
        Scope::Exec(exec) => exec.arguments().last().is_some_and(|last| last == "**"),
        _ => false,
    };
    host || port
}

/// Whether the uses of `scope` are within `own`.
pub(crate) fn within(scope: &Scope, own: &Scope) -> Truth {
    match scope.intersect(own) {
        None => Truth::No,
        Some(both) if both == *scope => Truth::Yes,
        Some(_) => Truth::Partly,
    }
}
