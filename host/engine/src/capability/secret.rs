//! Secrets that a guest uses without seeing them: `longshore:action/secrets`.
//!
//! A guest holds a placeholder, a random text of its call. [`inject`] puts the value in its place where a request leaves, in the
//! header and for the hosts that the operator bound it to, and refuses a placeholder anywhere else. Values are kept by the run
//! that fetched them and overwritten at its end; they must never come near the journal, an error or a log.

mod place;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longshore_model::{CapabilityKind, Denied, Effect, EffectEnded, EffectStarted, Event, Scope};
use longshore_policy::SecretBinding;
use longshore_ports::{Secret, Vault};
use tokio::sync::OnceCell;
use wasmtime::component::Resource;

use crate::call::Scene;
use crate::contract::secrets;
use crate::host::Host;

pub(crate) use place::{Watch, inject, redact};

/// The longest that a source may take, whatever the deadline of the call.
const PATIENCE: Duration = Duration::from_secs(15);
/// How every placeholder begins. Lower case, so that it is found in the name of a header too.
const MARK: &str = "longshore-secret-";

/// The secrets that a run has fetched, by name.
#[derive(Debug, Default)]
pub(crate) struct Fetched(Mutex<BTreeMap<String, Arc<OnceCell<Arc<Secret>>>>>);

/// The placeholders of one call.
#[derive(Debug, Default)]
pub(crate) struct Placeholders(Mutex<Vec<Arc<Placeholder>>>);

/// A placeholder and what it stands for.
#[derive(Debug)]
pub(crate) struct Placeholder {
    name: String,
    token: String,
    secret: Arc<Secret>,
    binding: Arc<SecretBinding>,
}

/// A secret that a guest asked for.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
#[derive(Debug)]
pub struct Handle(Arc<Placeholder>);

impl Placeholders {
    fn list(&self) -> Vec<Arc<Placeholder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The placeholder of the secret `name` in this call: one for each secret, however often it is asked for.
    fn of(
        &self,
        name: &str,
        secret: Arc<Secret>,
        binding: &Arc<SecretBinding>,
    ) -> wasmtime::Result<Arc<Placeholder>> {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = list.iter().find(|known| known.name == name) {
            return Ok(Arc::clone(known));
        }
        let mut entropy = [0; 16];
        getrandom::fill(&mut entropy).map_err(|error| wasmtime::Error::msg(error.to_string()))?;
        let token = format!("{MARK}{:032x}", u128::from_be_bytes(entropy));
        let new =
            Placeholder { name: name.to_owned(), token, secret, binding: Arc::clone(binding) };
        let new = Arc::new(new);
        list.push(Arc::clone(&new));
        Ok(new)
    }
}

impl Scene {
    /// The value behind `binding`, fetched at most once in a run.
    async fn secret(
        &self,
        vault: Option<&dyn Vault>,
        name: &str,
        binding: &SecretBinding,
    ) -> Result<Arc<Secret>, String> {
        let cell = {
            let mut fetched = self.cx.secrets().0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(fetched.entry(name.to_owned()).or_default())
        };
        cell.get_or_try_init(|| self.fetch(vault, name, binding)).await.cloned()
    }

    /// Asks the vault, journaled as an effect: a source may be a program, or far away.
    async fn fetch(
        &self,
        vault: Option<&dyn Vault>,
        name: &str,
        binding: &SecretBinding,
    ) -> Result<Arc<Secret>, String> {
        let Some(vault) = vault else {
            return Err("this host has nowhere to keep secrets".to_owned());
        };
        let effect = self.next_effect();
        let what = Effect::Secret { name: name.to_owned() };
        self.record(Event::EffectStarted(EffectStarted { call: self.id, effect, what }));
        // The guest must have time left to say that there is none.
        let left = Duration::from_millis(self.remaining_ms());
        let patience = PATIENCE.min(left.mul_f32(0.8));
        let fetched = match tokio::time::timeout(patience, vault.fetch(binding.source())).await {
            Ok(Ok(secret)) => Ok(Arc::new(secret)),
            Ok(Err(unavailable)) => Err(unavailable.to_string()),
            Err(_) => Err(format!("its source gave nothing within {} ms", patience.as_millis())),
        };
        let result = match &fetched {
            Ok(_) => "fetched".to_owned(),
            Err(why) => format!("failed: {why}"),
        };
        self.record(Event::EffectEnded(EffectEnded { call: self.id, effect, result }));
        fetched
    }

    /// Journals that a placeholder, or a name, is refused where no grant is missing.
    fn deny_secret(&self, asked: String, rule: &str, hint: String) {
        let (capability, rule) = (CapabilityKind::Secret, rule.to_owned());
        self.denied(Denied { call: Some(self.id), capability, asked, rule, hint });
    }
}

/// A name as a guest wrote it, for messages.
fn shown(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}

impl secrets::Host for Host {
    async fn get(
        &mut self,
        name: String,
    ) -> wasmtime::Result<Result<Resource<Handle>, secrets::Error>> {
        let scene = Arc::clone(&self.scene);
        let Some(binding) = scene.grant.secret(&name, false) else {
            match Scope::of(CapabilityKind::Secret, Some(&name)) {
                Ok(scope) => scene.denied(scene.grant.denial(scene.id, &scope)),
                Err(why) => {
                    let (asked, rule) = (format!("secret={}", shown(&name)), why.to_string());
                    scene.deny_secret(asked, &rule, "ask for a secret by its name".to_owned());
                }
            }
            let message = format!("the secret `{}` is not granted", shown(&name));
            return Ok(Err(secrets::Error::Denied(message)));
        };
        scene.used(Scope::Secret(name.clone()));
        let vault = self.backing.vault.clone();
        match scene.secret(vault.as_deref(), &name, binding).await {
            Ok(secret) => {
                let placeholder = scene.placeholders.of(&name, secret, binding)?;
                Ok(Ok(self.table.push(Handle(placeholder))?))
            }
            Err(why) => {
                let message = format!("the secret `{name}` cannot be had now: {why}");
                Ok(Err(secrets::Error::Unavailable(message)))
            }
        }
    }
}

impl secrets::HostSecret for Host {
    fn placeholder(&mut self, secret: Resource<Handle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&secret)?.0.token.clone())
    }

    fn reveal(
        &mut self,
        secret: Resource<Handle>,
    ) -> wasmtime::Result<Result<String, secrets::Error>> {
        let Handle(placeholder) = self.table.get(&secret)?;
        let (scene, name) = (&self.scene, &placeholder.name);
        if scene.grant.secret(name, true).is_none() {
            scene.denied(scene.grant.denial(scene.id, &Scope::Reveal(name.clone())));
            let message = format!("the value of the secret `{name}` may not be seen");
            return Ok(Err(secrets::Error::Denied(message)));
        }
        scene.used(Scope::Reveal(name.clone()));
        let effect = scene.next_effect();
        let what = Effect::Reveal { name: name.clone() };
        scene.record(Event::EffectStarted(EffectStarted { call: scene.id, effect, what }));
        let result = "revealed".to_owned();
        scene.record(Event::EffectEnded(EffectEnded { call: scene.id, effect, result }));
        Ok(Ok(placeholder.secret.expose().to_owned()))
    }

    fn drop(&mut self, secret: Resource<Handle>) -> wasmtime::Result<()> {
        // The placeholder stays good until the call ends: requests may still be on their way.
        self.table.delete(secret)?;
        Ok(())
    }
}
